"""The assets of the chain, one file each, and the leaderboard.

Put here an asset: read the store, call a stage, write the store, report as metadata. An asset that grows past
sixty lines lacks a stage.
"""
