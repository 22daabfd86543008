"""The statistics of earned autonomy: evidence that may be looked at always, tests in an order, alarms.

Put here what is a method of the field, with its source; not what is decided by it, which is `autonomy`.
"""
