"""The statistics of earned autonomy: guarantees, evidence to be looked at always, tests in order, alarms.

Put here what is a method of the field, with its source; not what is decided by it, which is `autonomy`.
"""
