"""A seal on a GGUF file: one changed byte is told, and whether it is one of its lineage.

The seal is a key-value of fixed length. It holds a SHA-256 of the whole file, in which the seal itself reads
as zeros, and one of the lineage alone, which other tools copy as it is when they write a file anew. Whoever
changes a file can seal it again. Only a signature (Ed25519, RFC 8032) proves who has sealed it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distil_dag.adapters.llamacpp.gguf_tools import read_metadata, set_metadata

SEAL = "distil_dag.seal"
SIGNING_KEY, TRUSTED_KEYS = "DISTIL_DAG_SIGNING_KEY", "DISTIL_DAG_TRUSTED_KEYS"
_OURS = "distil_dag."
_DIGEST, _SIGNATURE = 64, 128
_FORM = re.compile(
    rb"sha256:([0-9a-f]{64}) lineage:([0-9a-f]{64}) ed25519:([0-9a-f]{64}) signature:([0-9a-f]{128})"
)
_KEY = re.compile(r"[0-9a-fA-F]{64}")
_BLOCK = 2**22


@dataclass(frozen=True)
class SealState:
    """What a seal proves.

    Attributes:
        is_sealed: Whether the file has a seal.
        is_whole: Whether every byte is as it was sealed.
        is_lineage_whole: Whether all that the file says of its making is as it was sealed.
        signer: Public key of who has signed, in hexadecimal; empty without a valid signature.
        is_forged: Whether there is a signature that is not one of these digests.
        is_trusted: Whether the signer is one of `DISTIL_DAG_TRUSTED_KEYS`; None where that is not set.
    """

    is_sealed: bool = False
    is_whole: bool = False
    is_lineage_whole: bool = False
    signer: str = ""
    is_forged: bool = False
    is_trusted: bool | None = None

    @property
    def is_tampered(self) -> bool:
        """Whether something is not as it was sealed."""
        return self.is_sealed and (not self.is_whole or self.is_forged)


def seal(path: Path) -> None:
    """Seal a file as the last thing that is done to it; signed where `DISTIL_DAG_SIGNING_KEY` is set.

    Args:
        path: A GGUF file, which is rewritten.

    Raises:
        ValueError: The variable holds no key of 32 bytes in hexadecimal.
        ImportError: The package cryptography is not installed, and the variable is set.
    """
    private = _private_key()
    set_metadata(path, {SEAL: _text("0" * _DIGEST, "0" * _DIGEST, "0" * _DIGEST, "0" * _SIGNATURE)})
    start, blank = _place(path)
    blank = b"\0" * len(blank)
    whole, lineage = _digest(path, start, len(blank)), lineage_digest(read_metadata(path))
    public, signature = "0" * _DIGEST, "0" * _SIGNATURE
    if private is not None:
        public = private.public_key().public_bytes_raw().hex()
        signature = private.sign(_signed(whole, lineage)).hex()
    with path.open("r+b") as file:
        file.seek(start)
        file.write(_text(whole, lineage, public, signature).encode())


def check_seal(path: Path) -> SealState:
    """What the seal of a file proves.

    Args:
        path: A GGUF file.

    Raises:
        ValueError: The file can't be read as GGUF, or `DISTIL_DAG_TRUSTED_KEYS` holds no keys.
        ImportError: The package cryptography is not installed, and the file is signed.
    """
    try:
        start, value = _place(path)
    except KeyError:
        return SealState()
    found = _FORM.fullmatch(value)
    if found is None:
        return SealState(is_sealed=True)
    whole, lineage, public, signature = (part.decode() for part in found.groups())
    try:
        is_lineage_whole = lineage_digest(read_metadata(path)) == lineage
    except ValueError:
        is_lineage_whole = False  # a text that is no text any more
    is_signed = set(signature) != {"0"}
    is_valid = is_signed and _is_signature(public, signature, _signed(whole, lineage))
    return SealState(
        is_sealed=True,
        is_whole=_digest(path, start, len(value)) == whole,
        is_lineage_whole=is_lineage_whole,
        signer=public if is_valid else "",
        is_forged=is_signed and not is_valid,
        is_trusted=_is_trusted(public) if is_valid else None,
    )


def lineage_digest(key_values: dict[str, Any]) -> str:
    """SHA-256 of all that a file says of its making: its key-values under `distil_dag.`, but for the seal."""
    ours = {name: value for name, value in key_values.items() if name.startswith(_OURS) and name != SEAL}
    return hashlib.sha256(json.dumps(ours, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _text(whole: str, lineage: str, public: str, signature: str) -> str:
    return f"sha256:{whole} lineage:{lineage} ed25519:{public} signature:{signature}"


def _signed(whole: str, lineage: str) -> bytes:
    return f"distil_dag seal 1\n{whole}\n{lineage}".encode()


def _place(path: Path) -> tuple[int, bytes]:
    """Where the value of the seal begins in a file, and its bytes; KeyError without one."""
    import gguf

    try:
        field = gguf.GGUFReader(path).fields[SEAL]
    except (ValueError, IndexError, OverflowError, AttributeError) as error:
        raise ValueError(f"{path} is not a GGUF file: {error}") from None
    before = sum(int(part.nbytes) for part in field.parts[:-1])
    return int(field.offset) + before, bytes(field.parts[-1])


def _digest(path: Path, start: int, length: int) -> str:
    """SHA-256 of a file whose seal reads as zeros."""
    total = hashlib.sha256()
    with path.open("rb") as file:
        total.update(file.read(start))
        total.update(b"\0" * len(file.read(length)))
        while block := file.read(_BLOCK):
            total.update(block)
    return total.hexdigest()


def _private_key() -> Any:
    told = os.environ.get(SIGNING_KEY, "").strip()
    if not told:
        return None
    if not _KEY.fullmatch(told):
        raise ValueError(
            f"{SIGNING_KEY} is no Ed25519 key: 64 hexadecimal digits, such as `openssl rand -hex 32` gives"
        )
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(told))


def _is_signature(public: str, signature: str, signed: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(bytes.fromhex(signature), signed)
    except InvalidSignature:
        return False
    return True


def _is_trusted(public: str) -> bool | None:
    told = [key.strip().lower() for key in os.environ.get(TRUSTED_KEYS, "").split(",") if key.strip()]
    if any(not _KEY.fullmatch(key) for key in told):
        raise ValueError(
            f"{TRUSTED_KEYS} holds no public keys: 64 hexadecimal digits each, separated by commas"
        )
    return public in told if told else None
