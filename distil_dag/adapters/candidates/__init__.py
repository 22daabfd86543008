"""Who takes the test: models, files, servers and baselines as candidates of the evaluation.

Put here a candidate; the list of a run's candidates is `runs/evaluation_plan.py`.
"""
