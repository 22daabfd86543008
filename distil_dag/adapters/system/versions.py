"""Versions of installed packages, and of what they run on, as text."""

import importlib.metadata
import os
import platform
from pathlib import Path

_TRAINING = ("distil_dag", "torch", "transformers", "trl", "peft", "accelerate", "datasets")
_CPUINFO = Path("/proc/cpuinfo")


def versions(*packages: str) -> str:
    """Names and versions of packages, such as `torch 2.13.0, transformers 5.20.0`.

    A package that is missing is listed as `(not installed)`.
    """
    return ", ".join(f"{package} {_version(package)}" for package in packages)


def training_environment() -> dict[str, str]:
    """What a training runs on: `python`, `system`, `processor`, `accelerator` and `packages`, as text."""
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "accelerator": f"{gpus} x {torch.cuda.get_device_name(0)}" if gpus else "none",
        "packages": versions(*_TRAINING),
    }


def _processor() -> str:
    """The processor's name; its architecture where the system does not tell."""
    lines = _CPUINFO.read_text().splitlines() if _CPUINFO.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"
