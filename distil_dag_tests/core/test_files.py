from __future__ import annotations

import stat
from pathlib import Path

import pytest

from distil_dag.adapters.system.locks import is_held, locked
from distil_dag.core.files import whole, write_whole


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_takes_the_place_of_another_for_this_users_eyes_only(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    for data in (b"first", b"second"):
        write_whole(path, data)
        assert path.read_bytes() == data
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert names(tmp_path) == ["report.json"]


def test_a_folder_takes_the_place_of_another_and_leaves_nothing_of_it(tmp_path: Path) -> None:
    path = tmp_path / "model"
    for name, before in (("old", None), ("new", ["old"])):
        with whole(path) as fresh:
            fresh.mkdir()
            (fresh / name).write_text(name)
            # A reader finds the one before until the block ends.
            assert (names(path) if path.exists() else None) == before
    assert names(path) == ["new"]
    assert names(tmp_path) == ["model"]


@pytest.mark.parametrize("is_folder", [False, True])
def test_what_fails_halfway_changes_nothing(tmp_path: Path, is_folder: bool) -> None:
    path = tmp_path / "there"
    if is_folder:
        path.mkdir()
        (path / "part").write_text("whole")
    else:
        path.write_text("whole")
    with pytest.raises(OSError, match="disk full"), whole(path) as fresh:
        fresh.write_text("half")
        raise OSError("disk full")
    assert (path / "part" if is_folder else path).read_text() == "whole"
    assert names(tmp_path) == ["there"]


def test_a_lock_is_held_alone_or_shared(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_held(path)
    with locked(path, shared=True):
        assert is_held(path)
        with locked(path, shared=True, wait=False):
            pass
        with pytest.raises(BlockingIOError), locked(path, wait=False):
            pass
    with locked(path, wait=False), pytest.raises(BlockingIOError), locked(path, shared=True, wait=False):
        pass
    assert not is_held(path)
