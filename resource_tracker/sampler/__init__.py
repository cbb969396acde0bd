"""The process that watches: reads /proc once a row and writes the spool.

It runs under ``python -I -S`` beside the user's code, so its memory counts. It imports only the columns, the
errors, the units, this package, and ``os sys time array struct select errno signal`` (``ctypes`` where a GPU is found).
Where there is no ``/proc``, :mod:`resource_tracker.sampler.psutil_main` is its entry, which loads psutil.
"""
