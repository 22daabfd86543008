"""Which logged calls can be trusted: judges, corrected calls, agreement with labels, calibration cases.

Put here a judge (the port is `port.py`, the order of events `pipeline.py`) and what is measured of it; not
the split of the log before it.
"""
