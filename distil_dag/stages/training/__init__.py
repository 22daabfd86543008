"""Fine-tuning of the student: its rows, the trainer, padding-free batches, layer pruning.

Put here what happens between rows and weights; not what is made of the weights, which is `exporting`.
"""
