"""A request to forget: which traces it means, what they have touched, what is deleted, and the record of it.

Put here what combines tombstones, store, logs and installation; not how a kind of file is cleaned
(`adapters/forgetting`), and nothing of Dagster.
"""
