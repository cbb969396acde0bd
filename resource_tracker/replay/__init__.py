"""Proof of the memory advice: tasks of a trace, each sized from those before it, by our policies and by other rules.

Rules and figures stand in ``docs/sizing.md``.
"""
