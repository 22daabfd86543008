"""What LLM recorders write: spans, runs, rows and log records -> records that `formats/` reads.

A recorder is a library or a service that logs the calls of a model. Each has a module that tells its records,
brings them into a known form, and says which setting makes it log content. `registry.py` asks them in turn.
"""
