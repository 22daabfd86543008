"""Verdicts of the gates: whether a run may go on, and what mends it where it may not.

Put here the gates of an asset, as functions that return findings. They read what a stage reported, and for
leaks and validity its rows. How a gate shows in Dagster is in `checks/`.
"""
