"""Programs that run in a process of their own: training, the supervisor of a server, pages, readers of records.

Put here what another process starts with `python -m`; the work itself is in `stages` and `adapters`.
"""
