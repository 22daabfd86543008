"""Programs that run in a process of their own: training, a server's supervisor, pages, readers of records.

Put here what another process starts with `python -m`; the work itself is in `stages` and `adapters`.
"""
