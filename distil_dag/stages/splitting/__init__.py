"""What leaves the log before anyone learns from it: the held-out test, and samples of a log.

Put here how rows are divided by request and by cell; not whether their calls are right, which is `judging`.
"""
