"""Log aggregators: services that keep lines of any program.

Put here how one is asked for its entries, and how a record is found in an entry. Not here: services that keep
calls of models, which stand beside this package.
"""
