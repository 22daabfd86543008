"""What `distil-dag lineage` says of a file's seal and of the traces behind it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distil_dag.adapters.llamacpp.seal import TRUSTED_KEYS, SealState, check_seal
from distil_dag.adapters.run_store import RunStore
from distil_dag.cli.errors import CommandError
from distil_dag.runs.lineage.passport import SAID, TRACES, Ids
from distil_dag.stages.exporting.origin_text import Fact
from distil_dag.stages.forgetting.tombstones import Tombstones

_LINEAGE_CHANGED = "what it says of its making was changed since it was sealed"
_REST_CHANGED = (
    "weights or other key-values were changed since it was sealed; what it says of its making is as it was"
)


def seal_of(path: Path) -> SealState:
    """The state of a file's seal; CommandError for what is no GGUF file or can't be checked."""
    try:
        return check_seal(path)
    except ImportError:
        raise CommandError(
            f"{path} is signed, and the package cryptography is not installed: pip install 'distil_dag[sign]'"
        ) from None
    except (OSError, ValueError) as error:
        raise CommandError(f"{path} can't be read as GGUF: {error}") from None


def tampered(state: SealState, key_values: Mapping[str, Any]) -> str:
    """What is wrong with a file, as a sentence; empty where nothing is known to be wrong.

    Args:
        state: Of the file's seal.
        key_values: All that the file has, as far as they can be read.
    """
    if not state.is_sealed:
        return "its seal was taken out" if TRACES in key_values else ""
    if not state.is_lineage_whole:
        return _LINEAGE_CHANGED
    if not state.is_whole:
        return _REST_CHANGED
    return "its signature is not of this file" if state.is_forged else ""


def seal_told(state: SealState, key_values: Mapping[str, Any], store: RunStore, has_same: bool) -> Fact:
    """What the seal proves, in a sentence.

    Args:
        state: Of the file's seal.
        key_values: All that the file has.
        store: The store of this installation.
        has_same: Whether the store's run has exported a file with this content.
    """
    if wrong := tampered(state, key_values):
        return "seal", f"TAMPERED: {wrong}."
    if not state.is_sealed:
        return "seal", "None: the file is of an older release, so nobody can tell whether it was changed."
    said = "Every byte is as it was sealed"
    if has_same:
        said += f", and the run in {store.root} has this file"
    if not state.signer:
        tail = "" if has_same else ": whoever changes a file can seal it anew, so compare its sha256"
        return "seal", f"{said}. It is not signed{tail}."
    if state.is_trusted:
        return "seal", f"{said}. Signed by the trusted key {state.signer}."
    why = (
        "is none that you trust" if state.is_trusted is False else f"is trusted once {TRUSTED_KEYS} names it"
    )
    return "seal", f"{said}. Signed by the key {state.signer}, which {why}."


def traces_told(traces: Mapping[str, Ids], stones: Tombstones) -> list[Fact]:
    """How many traces are behind a model, and how many of them were forgotten since.

    Args:
        traces: What the file says of them.
        stones: What was forgotten in this installation.
    """
    if not traces:
        return []
    counts = ", ".join(f"{traces[role].n} {said}" for role, said in SAID.items() if role in traces)
    told = [("traces", f"{counts}. Their ids: --json.")]
    gone = {role: sum(map(stones.holds_id, ids.ids() or ())) for role, ids in traces.items()}
    if any(gone.values()):
        named = ", ".join(f"{count} {SAID[role]}" for role, count in gone.items() if count)
        told.append(("forgotten", f"{named} were forgotten since: train the model again, delete this file."))
    return told


def traces_as_json(traces: Mapping[str, Ids]) -> dict[str, Any]:
    """The ids by what they were to the model; None where they were too many for the file."""
    return {role: {"n": ids.n, "sha256": ids.sha256, "ids": ids.ids()} for role, ids in traces.items()}
