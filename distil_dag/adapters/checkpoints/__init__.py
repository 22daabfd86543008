"""transformers: checkpoints that are read, asked and trained from.

Put here what loads safetensors weights.
"""
