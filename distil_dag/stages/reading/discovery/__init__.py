"""The tools of an agent, found in its log: as requests define them, or as its calls show them.

Put here what a log says of tools; not how its records are read, nor where they come from.
"""
