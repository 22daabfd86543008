"""The gates of the chain as Dagster asset checks.

Put here how a gate shows in Dagster; what it decides is in `core/gates/`.
"""
