"""Versions of installed packages as text."""

import importlib.metadata


def versions(*packages: str) -> str:
    """Names and versions of packages, such as `torch 2.13.0, transformers 5.20.0`.

    A package that is missing is listed as `(not installed)`.
    """
    return ", ".join(f"{package} {_version(package)}" for package in packages)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"
