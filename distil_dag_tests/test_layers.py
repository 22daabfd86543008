"""The house rules on imports hold, and are able to fail."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from distil_dag_tests.paths import ROOT

BIN = Path(sys.executable).parent


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(BIN / command[0]), *command[1:]], cwd=cwd, capture_output=True, text=True)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(
        ROOT / "distil_dag", tmp_path / "distil_dag", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    return run("lint-imports", "--no-cache", cwd=folder)


def test_imports_point_one_way() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout


def test_an_import_upwards_is_caught(copy: Path) -> None:
    with (copy / "distil_dag" / "stages" / "ports.py").open("a") as file:
        file.write("\nfrom distil_dag.adapters import run_store  # noqa\n")
    done = lint_imports(copy)
    assert done.returncode != 0
    assert "distil_dag.stages.ports -> distil_dag.adapters.run_store" in done.stdout


@pytest.mark.parametrize(
    ("file", "line", "code"),
    [
        ("core/case.py", "import dagster", "TID251"),
        ("stages/ports.py", "import openai", "TID251"),
        ("adapters/run_store.py", "import torch", "TID253"),
    ],
)
def test_ruff_bans_what_a_layer_must_not_know(copy: Path, file: str, line: str, code: str) -> None:
    path = copy / "distil_dag" / file
    path.write_text(path.read_text() + f"\n{line}\n")
    done = run("ruff", "check", "--no-cache", "--select", "TID", f"distil_dag/{file}", cwd=copy)
    assert done.returncode == 1
    assert code in done.stdout


def test_ruff_finds_no_banned_import() -> None:
    done = run("ruff", "check", "--no-cache", "--select", "TID", "distil_dag", cwd=ROOT)
    assert done.returncode == 0, done.stdout


def test_no_file_is_too_long() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in (ROOT / "distil_dag").rglob("*.py")}
    assert {str(path): n for path, n in lengths.items() if n > 350} == {}
    assets = {path.name: n for path, n in lengths.items() if path.parent.name == "assets"}
    assert max(assets.values()) <= 80, assets


@pytest.mark.parametrize("layer", ["stages", "adapters", "runs"])
def test_no_folder_is_too_full_and_each_says_what_belongs_there(layer: str) -> None:
    for folder in [path.parent for path in (ROOT / "distil_dag" / layer).rglob("__init__.py")]:
        assert len(list(folder.glob("*.py"))) <= 14, f"{folder} holds too many files to be read at a glance"
        mission = ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))
        assert mission, f"{folder}/__init__.py does not say what belongs there"
        assert "Put here" in mission, f"{folder}/__init__.py does not say what belongs there"
