"""Versions of installed packages, in words."""

import importlib.metadata


def versions(*packages: str) -> str:
    """`torch 2.13.0, transformers 5.20.0`; a package that is not installed is called so."""
    return ", ".join(f"{package} {_version(package)}" for package in packages)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"
