"""Serving beside the big model: exchanges, and what the student may answer alone.

Put here the rules, as plain functions and values; not what answers, writes or listens, which is
`adapters/serving` and `entrypoints`.
"""
