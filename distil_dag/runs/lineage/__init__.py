"""Lineage both ways: what a trace has touched, what a file was made from, and how two runs differ.

Put here what is told of several assets, or of several runs, by their ids and reports; not what a single stage
reports, and nothing of Dagster.
"""
