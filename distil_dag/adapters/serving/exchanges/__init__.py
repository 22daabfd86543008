"""The log of exchanges: a queue in front, behind it a database or files, and who reads it again.

Put here how an exchange is kept and found; not what it is, which is `stages/serving`.
"""
