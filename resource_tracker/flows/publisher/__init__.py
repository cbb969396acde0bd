"""A process beside the step that has Metaflow loaded: the live card, and what is told of a task that died."""
