"""Logs behind an HTTP API.

Put here how one service is asked for its records, a module for each, named in `registry.py`. Not here: what
its records mean (`stages/reading/recorders`), nor logs that are files or tables.
"""
