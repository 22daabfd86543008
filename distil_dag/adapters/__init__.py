"""One vendor each: files and systems that the project talks to, behind the ports of `stages`.

Put here what imports a vendor's package or speaks its protocol; not the rules of a stage, and not what
combines stages with a run's store, which is `runs`. A package imports only packages named before it in
pyproject.toml's contract.
"""
