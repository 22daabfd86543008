"""What came of a logged call, as the log itself shows it later.

Put here what later turns say of an earlier answer. Not here: how far a call fits
its words, which a judge says.
"""
