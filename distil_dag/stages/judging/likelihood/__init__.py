"""The judge for small models: how likely a call is, learned from the log itself.

Put here its features and how they are combined; not the rubric, which asks a capable model.
"""
