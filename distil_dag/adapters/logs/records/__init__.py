"""Records of a log, each read by itself, in this process or in others.

Nothing heavy is imported here, since each process that reads records imports it. What a record is in its log
(new, a copy, part of another) is told by `adapters/logs/intake.py`.
"""
