"""A chat model of any mode, opened by its settings, behind a cache and a meter.

Put here what stands between a stage and a model whatever its vendor.
"""
