"""What LLM recorders write: spans, runs, rows and log records -> records that `formats/` reads.

A recorder is a library or a service that logs the calls of a model. `registry.py` asks each in turn.

Put here: for each recorder, how its records are told, brought into a known form, and which setting makes it
log content. What services answer belongs in `formats/`.
"""
