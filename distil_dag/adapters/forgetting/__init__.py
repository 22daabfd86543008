"""Where forgotten words lie: tombstones in the store, and files, databases and logs without them.

Put here how a kind of file or database is searched and cleaned; not what counts as forgotten
(`stages/forgetting`), nor which runs it concerns (`runs/forgetting`).
"""
