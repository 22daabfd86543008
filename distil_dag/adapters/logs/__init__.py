"""Where traces come from: files, databases, the Hub, read by dlt page by page.

Put here a source of records; not how a record is read, which is `stages/reading`.
"""
