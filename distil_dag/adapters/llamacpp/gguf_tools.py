"""From a checkpoint to GGUF files: llama.cpp's converter and quantiser, and key-values.

The converter is a script of llama.cpp that no package installs. It is taken from the source distribution of
the installed llama-cpp-python. So converter, file format and library are of one commit:

    python -m distil_dag.adapters.llamacpp.gguf_tools [SDIST.tar.gz]
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.metadata
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from distil_dag.adapters.llamacpp.library import last_words, load_library
from distil_dag.core.files import whole

_PACKAGE = "llama-cpp-python"
_SCRIPT = "convert_hf_to_gguf.py"
# What is taken out of the distribution, below vendor/llama.cpp.
_TAKEN = (_SCRIPT, "conversion", "gguf-py/gguf", "LICENSE")


def find_converter() -> Path:
    """Path of the converter script.

    Raises:
        FileNotFoundError: It is not installed; the message has the command that installs it.
    """
    script = _home() / _SCRIPT
    if not script.is_file():
        raise FileNotFoundError(
            f"llama.cpp's converter is not installed ({script} is missing): run "
            f"`{sys.executable} -m distil_dag.adapters.llamacpp.gguf_tools`, which takes it out of the "
            f"source distribution of {_PACKAGE}; a downloaded one may be named as argument"
        )
    return script


def install_converter(sdist: Path | None = None) -> Path:
    """Put the converter beside the environment's packages.

    Args:
        sdist: Source distribution of llama-cpp-python; downloaded by pip when None.

    Returns:
        Path of the script.

    Raises:
        ValueError: The archive is of another version or holds no converter.
        CalledProcessError: The download fails.
        FileNotFoundError: llama-cpp-python is not installed.
    """
    home = _home()
    with tempfile.TemporaryDirectory() as folder:
        archive = sdist or _download(Path(folder))
        if _version() not in archive.name:
            raise ValueError(f"{archive.name} is not of {_PACKAGE} {_version()}, which is installed here")
        home.parent.mkdir(parents=True, exist_ok=True)
        with whole(home) as filled:
            with tarfile.open(archive) as tar:
                tar.extractall(filled, members=_members(tar), filter="data")
            if not (filled / _SCRIPT).is_file():
                raise ValueError(f"{archive} holds no vendor/llama.cpp/{_SCRIPT}")
    return home / _SCRIPT


def convert(checkpoint: Path, target: Path, vocabulary_only: bool = False) -> None:
    """Write a checkpoint's weights, tokenizer and chat template as an f16 GGUF file.

    The converter runs in a process of its own, without a network.

    Args:
        checkpoint: Folder of the checkpoint.
        target: The file to write.
        vocabulary_only: Leave the weights out, which then need not be in the folder.

    Raises:
        FileNotFoundError: The converter is not installed.
        RuntimeError: The converter fails; the message has the end of its output.
    """
    script = find_converter()
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(script.parent), str(script.parent / "gguf-py")]),
        "HF_HUB_OFFLINE": "1",
    }
    command = [
        sys.executable, str(script), str(checkpoint), "--outfile", str(target), "--outtype", "f16",
        *["--vocab-only"] * vocabulary_only,
    ]  # fmt: skip
    done = subprocess.run(  # noqa: S603 (our own script, on our own files)
        command, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode or not target.is_file():
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-8:])
        raise RuntimeError(f"llama.cpp's converter failed on {checkpoint}:\n{last}")


def quantize(source: Path, target: Path, name: str) -> None:
    """Write a GGUF file in another format; key-values are kept.

    Args:
        source: The file to read.
        target: The file to write.
        name: A format of llama.cpp, such as `Q8_0` or `Q4_K_M`.

    Raises:
        ValueError: llama.cpp knows no such format.
        RuntimeError: llama.cpp fails.
    """
    api = load_library()
    kind = getattr(api, f"LLAMA_FTYPE_MOSTLY_{name}", None)
    if kind is None:
        raise ValueError(f"llama.cpp knows no format {name!r}")
    options = api.llama_model_quantize_default_params()
    options.ftype = kind
    options.nthread = os.cpu_count() or 1
    failed = api.llama_model_quantize(str(source).encode(), str(target).encode(), ctypes.byref(options))
    if failed or not target.is_file():
        raise RuntimeError(f"llama.cpp could not write {source.name} as {name}: {last_words()}")


def set_metadata(path: Path, values: Mapping[str, str | bool]) -> None:
    """Write key-values into a GGUF file, new ones and changed ones.

    The whole file is rewritten.

    Args:
        path: The file.
        values: Key -> value.
    """
    import gguf
    from gguf.scripts.gguf_new_metadata import MetadataDetails, copy_with_new_metadata

    reader = gguf.GGUFReader(path)
    architecture = reader.fields[gguf.Keys.General.ARCHITECTURE].contents()
    kinds = {str: gguf.GGUFValueType.STRING, bool: gguf.GGUFValueType.BOOL}
    details = {key: MetadataDetails(kinds[type(value)], value) for key, value in values.items()}
    with whole(path) as fresh:
        writer = gguf.GGUFWriter(fresh, arch=architecture, endianess=reader.endianess)
        with contextlib.redirect_stderr(io.StringIO()):  # a progress bar
            copy_with_new_metadata(reader, writer, details, [])


def read_metadata(path: Path) -> dict[str, Any]:
    """All key-values of a GGUF file except arrays, such as its vocabulary.

    Raises:
        ValueError: The file is no GGUF file.
    """
    import gguf

    try:
        fields = gguf.GGUFReader(path).fields
    except ValueError as error:
        raise ValueError(f"{path} is not a GGUF file: {error}") from None
    return {
        name: field.contents()
        for name, field in fields.items()
        if not name.startswith("GGUF.") and field.types[0] != gguf.GGUFValueType.ARRAY
    }


def _version() -> str:
    return importlib.metadata.version(_PACKAGE)


def _home() -> Path:
    try:
        return Path(sys.prefix) / "share" / "distil_dag" / f"llama.cpp-{_version()}"
    except importlib.metadata.PackageNotFoundError:
        raise FileNotFoundError(
            f"{_PACKAGE} is not installed: run `pip install 'distil_dag[gguf]'` (it compiles llama.cpp)"
        ) from None


def _download(folder: Path) -> Path:
    subprocess.run(  # noqa: S603 (a fixed command)
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", _PACKAGE,
         "--dest", str(folder), f"{_PACKAGE}=={_version()}"],
        check=True,
    )  # fmt: skip
    return next(folder.glob("*.tar.gz"))


def _members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The converter's files, under their paths below vendor/llama.cpp."""
    for member in tar:
        parts = PurePosixPath(member.name).parts
        if len(parts) < 4 or parts[1:3] != ("vendor", "llama.cpp"):
            continue
        inner = "/".join(parts[3:])
        if member.isfile() and any(inner == taken or inner.startswith(f"{taken}/") for taken in _TAKEN):
            yield member.replace(name=inner, deep=False)


if __name__ == "__main__":
    print(install_converter(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
