"""The `distil-dag` command."""

from distil_dag.cli.app import main

__all__ = ["main"]
