"""What stands beside an answer in its record: tokens, money, scores.

Put here what says how good or how dear an answer was. Not here: what was asked and answered (`formats`).
"""
