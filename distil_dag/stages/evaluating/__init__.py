"""Everyone takes the held-out test: metrics, intervals, baselines, and what the numbers hide.

Put here what is measured of answers; not how it is shown, which is `reporting`.
"""
