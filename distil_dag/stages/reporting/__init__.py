"""The report as Markdown, as a page and as plots.

Put here a table or a picture of the report; not the figures in it, which are `evaluating`.
"""
