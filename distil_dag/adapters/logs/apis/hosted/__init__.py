"""Services on the web that record what models are asked.

Put here how one of them is asked. Not here: servers that are commonly one's own, nor aggregators of any logs.
"""
