"""Records and messages of other services and data sets -> the chat messages that the rest of reading knows.

Put here what turns one form into another; not what a call or a text may be, which is `turns.py`.
"""
