"""Champion and challenger: two students of one task on the same cases, and which of them is to be released.

Put here what is decided by answers alone; not how models are asked, and not what is done with the decision.
"""
