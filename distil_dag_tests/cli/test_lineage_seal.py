"""A file that has left the machine says what made it, and one changed byte of it is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from distil_dag.adapters.llamacpp.gguf_tools import set_metadata
from distil_dag.adapters.llamacpp.seal import SEAL, SIGNING_KEY, TRUSTED_KEYS, check_seal, seal
from distil_dag.adapters.run_store import RunStore
from distil_dag.core import tables
from distil_dag.core.task import Task
from distil_dag.runs.lineage.passport import TRACES, Ids, passport, read_passport
from distil_dag_tests import stand_ins as good
from distil_dag_tests.cli.test_cli import Call, call
from distil_dag_tests.cli.test_lineage import RUN, model_file, sentences

__all__ = ["call"]  # a fixture

PRIVATE = "7f" * 32
PUBLIC = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(PRIVATE)).public_key().public_bytes_raw().hex()


@pytest.fixture
def held(tmp_path: Path) -> tuple[RunStore, Task]:
    """A run that was trained on seeds and on rows that were made from them."""
    store, task = RunStore(tmp_path / "held"), good.task()
    traces = [good.example(f"t{n}", f"turn on lamp {n}", good.turn_on("lamp")) for n in range(5)]
    store.write_cases(RUN, tables.TRACES, traces)
    store.write_cases(RUN, tables.SEEDS, traces[:2])
    store.write_cases(RUN, tables.CONTEXT, [])
    store.write_cases(RUN, tables.CALIBRATION, traces[2:3])
    store.write_cases(RUN, tables.TEST, good.TEST[:0])
    store.write_cases(RUN, tables.SYNTHETIC, good.SYNTHETIC)
    store.write_rows(RUN, tables.ORIGINS, [{"id": "g1", "made_from": json.dumps(["t1", "description"])}])
    return store, task


@pytest.fixture
def file(tmp_path: Path, held: tuple[RunStore, Task]) -> Path:
    store, task = held
    path = model_file(tmp_path / "elsewhere", **{TRACES: passport(store, RUN, task)})
    seal(path)
    return path


def changed(path: Path, place: int) -> Path:
    """The file with one bit of one byte changed."""
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    return path


def test_a_file_alone_names_all_traces_behind_it(file: Path, call: Call, home: Path) -> None:
    said = call("lineage", file)
    assert said.code == 0, said.err
    assert "seal Every byte is as it was sealed. It is not signed" in sentences(said.out)
    assert "1 behind synthetic rows, 1 set aside to calibrate" in sentences(said.out)
    traces = json.loads(call("lineage", file, "--json").out)[0]["model"]["traces"]
    assert traces["made_from"]["ids"] == ["t1"]
    assert traces["calibrated"]["ids"] == ["t2"]
    assert traces["learned"]["ids"] == ["t0", "t1"]
    assert traces["read"]["ids"] == ["t3", "t4"]


def test_every_changed_byte_is_told(file: Path) -> None:
    whole = file.read_bytes()
    start = whole.index(b"distil_dag.lineage")
    for place in (start, start + 60, whole.index(b"t_tensor") if b"t_tensor" in whole else len(whole) - 1):
        state = check_seal(changed(file, place))
        assert state.is_tampered, place
        assert state.is_lineage_whole is (place == len(whole) - 1)
        file.write_bytes(whole)
    assert not check_seal(file).is_tampered


@pytest.mark.parametrize("what", [b"distil_dag.lineage", b"715a48e2", b'"made_from"', b"distil_dag.seal"])
def test_the_command_tells_a_changed_lineage(what: bytes, file: Path, call: Call, home: Path) -> None:
    changed(file, file.read_bytes().index(what) + len(what) - 2)
    said = call("lineage", file)
    assert said.code == 1
    assert "tampered with" in said.err


def test_a_file_that_was_written_anew_keeps_its_lineage_but_not_its_seal(
    file: Path, call: Call, home: Path
) -> None:
    set_metadata(file, {"general.name": "another name"})
    said = call("lineage", file)
    assert said.code == 1
    assert "what it says of its making is as it was" in sentences(said.err)


def test_a_signature_says_who_sealed_it(file: Path, call: Call, home: Path, monkeypatch) -> None:
    monkeypatch.setenv(SIGNING_KEY, PRIVATE)
    seal(file)
    assert f"Signed by the key {PUBLIC}, which is trusted once" in sentences(call("lineage", file).out)
    monkeypatch.setenv(TRUSTED_KEYS, f"{'0' * 64},{PUBLIC}")
    assert f"Signed by the trusted key {PUBLIC}" in sentences(call("lineage", file).out)
    # Whoever seals a changed file anew has another key.
    set_metadata(file, {"general.name": "another name"})
    monkeypatch.setenv(SIGNING_KEY, "11" * 32)
    seal(file)
    assert "is none that you trust" in sentences(call("lineage", file).out)
    # A digest that was made anew under the old signature.
    monkeypatch.setenv(SIGNING_KEY, PRIVATE)
    seal(file)
    text = file.read_bytes()
    signature = text[text.index(b"ed25519:") :][:211]
    set_metadata(file, {"general.name": "a third name"})
    monkeypatch.delenv(SIGNING_KEY)
    seal(file)
    text = file.read_bytes()
    place = text.index(b"ed25519:")
    file.write_bytes(text[:place] + signature + text[place + len(signature) :])
    state = check_seal(file)
    assert (state.is_whole, state.is_forged, state.is_tampered) == (True, True, True)


def test_a_key_that_is_none_is_refused_without_being_told(file: Path, monkeypatch) -> None:
    monkeypatch.setenv(SIGNING_KEY, "hush")
    with pytest.raises(ValueError, match="openssl rand -hex 32") as refused:
        seal(file)
    assert "hush" not in str(refused.value)


def test_a_file_without_a_seal_is_told_from_one_whose_seal_was_taken_out(
    tmp_path: Path, held: tuple[RunStore, Task], call: Call, home: Path
) -> None:
    older = model_file(tmp_path / "older")
    assert "of an older release" in sentences(call("lineage", older).out)
    store, task = held
    without = model_file(tmp_path / "without", **{TRACES: passport(store, RUN, task)})
    said = call("lineage", without)
    assert (said.code, "its seal was taken out" in sentences(said.err)) == (1, True)


def test_ids_that_do_not_fit_leave_their_digest() -> None:
    ids = [f"{n:016x}" for n in range(1000)]
    packed = Ids.of(ids, 2**22)
    assert packed.ids() == ids
    assert Ids.of(ids, 10).ids() is None
    assert Ids.of(ids, 10).sha256 == packed.sha256
    assert Ids.of([], 0).ids() is None
    broken = packed.model_copy(update={"packed": packed.packed[:200]})
    with pytest.raises(ValueError, match="traces"):
        broken.ids()
    assert read_passport({}) == {}


def test_seal_is_a_key_value_of_fixed_length(file: Path) -> None:
    import gguf

    value = gguf.GGUFReader(file).fields[SEAL].contents()
    assert len(value) == len(f"sha256:{'0' * 64} lineage:{'0' * 64} ed25519:{'0' * 64} signature:{'0' * 128}")
