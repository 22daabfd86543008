"""Programs that run in a process of their own: training, a model server's supervisor, the page server, readers of
records.

Put here what another process starts with `python -m`; the work itself is in `stages` and `adapters`.
"""
