"""Personal data out of a trace: what is found, and what the words and arguments around it say.

Put here one file for each kind of personal data; not where records are read.
"""
