"""The student's contract: its prompt, its chat template, and the draft model that travels with it.

Put here what training, serving and evaluation must agree on; not the loop that trains it.
"""
