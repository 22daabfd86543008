"""What becomes of exchanges: rows of a log, without personal data, and what they add up to.

Put here what is done with an exchange that is over; not what an exchange is, which is `exchange.py` above.
"""
