"""Programs that run in a process of their own: training, the supervisor of a model server, the page server.

Put here what another process starts with `python -m`; the work itself is in `stages` and `adapters`.
"""
