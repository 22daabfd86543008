"""Records of a log, each read by itself, in this process or in others.

Put here what one record gives, whatever stands before it. Not here: what a record is in its log (new, a copy,
a part of another), which `adapters/logs/intake.py` tells; nor heavy imports, since each reading process has
them.
"""
