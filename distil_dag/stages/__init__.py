"""The work of each stage as plain functions: rows in, rows and a report out.

Put here what can be said without Dagster and without a vendor; what talks to a vendor is an adapter. The
packages stand in the order of the story: reading, splitting, judging, synthesis, student, training,
exporting, decoding, evaluating, reporting, forecasting. `prompting` and `nlu` serve all of them. A package
imports only packages before it.
"""
