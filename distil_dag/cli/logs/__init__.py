"""Commands that look at a log before anything is made of it: `init --from` and `look`.

Put here what they print and write; not how a log is looked at, which is `adapters/logs/survey`.
"""
