"""A run as a whole: what combines its store with stages and adapters.

Put here what reads or writes several assets of a run; not one vendor (`adapters`), not one stage (`stages`),
and nothing of Dagster.
"""
