"""transformers: checkpoints that are loaded, prompted and trained from.

Put here what loads safetensors weights.
"""
