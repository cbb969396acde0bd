"""One module for each kernel file: bytes in, a reading or :class:`~resource_tracker.errors.ParseError` out."""
