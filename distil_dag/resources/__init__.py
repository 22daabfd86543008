"""Dagster resources, and what assets share: metadata, lineage, partitions, budgets.

Put here what needs Dagster and serves several assets; not an asset itself, and nothing that a stage or an
adapter can do without Dagster.
"""
