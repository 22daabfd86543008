"""What a log holds, before anything is made of it: for a new task, for a known one, for one record.

Put here what looks at a log as a whole; not how it is read, which is the package above.
"""
