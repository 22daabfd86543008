"""Where a student's base weights come from, as a local folder and an identity."""

from __future__ import annotations

from pathlib import Path

from distil_dag.adapters.llamacpp.embedded_weights import embedded_checkpoint, embedded_identity
from distil_dag.adapters.run_store import weights_digest
from distil_dag.core.settings import StudentSpec

# What a training needs of a Hub repository: safetensors weights, configuration, tokenizer.
_WANTED = ["*.safetensors", "*.safetensors.index.json", "*.json", "*.jinja", "*.model", "*.txt"]


def base_checkpoint(student: StudentSpec, folder: Path) -> tuple[Path, str]:
    """Find the student's base model, and download or unpack it if need be.

    Args:
        student: The settings that name the model: `embedded`, a local folder, or a Hub repository.
        folder: Where the embedded model is unpacked.

    Returns:
        The model's folder, and its identity (`name@sha256:…` or `repository@commit`).

    Raises:
        FileNotFoundError: There is no such model; the message says what to do.
        ValueError: The setting names a file.
    """
    if student.model == "embedded":
        return embedded_checkpoint(folder), embedded_identity()
    local = Path(student.model).expanduser()
    refuse_file(local)
    if local.is_dir():
        weights = weights_digest(local)
        if not weights or not (local / "config.json").exists():
            raise FileNotFoundError(
                f"student.model: {local} is no checkpoint: it needs config.json and *.safetensors "
                "(an adapter alone has to be merged first)"
            )
        return local, f"{local.name}@{weights}"
    return _from_hub(student)


def refuse_file(path: Path) -> None:
    """Refuse a file, such as a GGUF file, as a base: training needs a checkpoint's folder.

    Args:
        path: What `student.model` names, where it is no model of the Hub.

    Raises:
        ValueError: It is a file.
    """
    if path.is_file():
        raise ValueError(
            f"student.model: {path} is a file, and training needs a checkpoint: the folder with config.json, "
            "*.safetensors and the tokenizer, or the model's name on the Hub. A GGUF file can be a teacher: "
            "`teacher.mode: gguf`, with its path as `teacher.model`"
        )


def layers_of(folder: Path) -> int:
    """Number of transformer blocks of the model in a folder."""
    from transformers import AutoConfig

    return int(AutoConfig.from_pretrained(str(folder)).get_text_config().num_hidden_layers)


def _from_hub(student: StudentSpec) -> tuple[Path, str]:
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(student.model, revision=student.revision, allow_patterns=_WANTED))
    except Exception as error:  # the hub's client has many classes of errors, all handled alike
        raise FileNotFoundError(
            f"student.model: {student.model!r} is neither a folder nor a model that the Hugging Face Hub "
            f"hands out here ({type(error).__name__}: {error}). Check the name, student.revision and "
            "HF_TOKEN; without a network, download the model elsewhere and name its folder"
        ) from error
    return folder, f"{student.model}@{folder.name}"
