"""From a raw record to a trace: formats of logs and of case files, strict values, redaction.

Put here how a record of a format is read, and what sets it aside; not where records come from, which is
`adapters/logs`.
"""
