"""Records of a log, each read by itself, in this process or in others.

Put here what a record gives wherever it stands, with light imports, as each process that reads records loads
them; not whether it is new in its log, which `adapters/logs/intake.py` tells.
"""
