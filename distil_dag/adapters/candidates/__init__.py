"""Candidates of the evaluation: models, files, servers and baselines that answer the test.

Put here a candidate; the list of a run's candidates is `runs/evaluation_plan.py`.
"""
