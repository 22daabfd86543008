"""From a task's `ModelSpec` to a chat model that is ready to answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from distil_dag.adapters.chat.cache import CachedChat
from distil_dag.adapters.chat.meter import Meter
from distil_dag.adapters.chat.metered import counting_cached, metered_model
from distil_dag.adapters.llamacpp.embedded_weights import embedded_batch_gguf, embedded_gguf
from distil_dag.adapters.vllm.lease import Servers
from distil_dag.core.settings import ModelSpec
from distil_dag.stages.ports import ChatModel

# Room for the thoughts of a model in this process, whose context a long one would fill.
_THOUGHTS = 1024


@contextmanager
def open_chat(
    spec: ModelSpec,
    cache_folder: Path | None = None,
    servers: Servers | None = None,
    meter: Meter | None = None,
) -> Iterator[ChatModel]:
    """Open the model that `spec` describes, for the length of a `with` block.

    Args:
        spec: The model's settings.
        cache_folder: Where every reply is stored and never computed twice. The embedded model lies there in a
            form that is faster in batches. None: no cache.
        servers: The run's servers, needed for a managed model. Its server stays for the next user.
        meter: Counts what the cache doesn't hold, and lets nothing be sent beyond the budget.

    Yields:
        The model; its memory is freed after the block.

    Raises:
        ValueError: The settings are incomplete, or the model's file has no chat template.
        FileNotFoundError: The model's file is missing.
        ImportError: A package is missing; the message says how to get it.
    """
    with ExitStack() as stack:
        model = _open(spec, stack, cache_folder, servers)
        yield stack.enter_context(kept_and_counted(model, spec, cache_folder, meter))


@contextmanager
def kept_and_counted(
    model: ChatModel, spec: ModelSpec, cache_folder: Path | None, meter: Meter | None
) -> Iterator[ChatModel]:
    """Put a cache of its calls in front of a model, and a meter between, so that only sent calls cost.

    Args:
        model: The model to ask.
        spec: Its mode and price.
        cache_folder: Folder of the cache; None for no cache.
        meter: Counts the calls; None for no meter.

    Yields:
        The model with cache and meter.
    """
    with ExitStack() as stack:
        if meter is not None:
            model = stack.enter_context(metered_model(model, spec, meter))
        if cache_folder is not None:
            model = stack.enter_context(CachedChat(model, cache_folder / "replies.sqlite"))
        yield model if meter is None else counting_cached(model, spec, meter)


def _open(spec: ModelSpec, stack: ExitStack, cache_folder: Path | None, servers: Servers | None) -> ChatModel:
    if spec.mode == "attached":
        # The SDK takes a second to import.
        from distil_dag.adapters.openai_api.chat import EndpointChat

        return stack.enter_context(EndpointChat(spec))
    if spec.mode == "managed":
        from distil_dag.adapters.vllm.chat import ManagedChat

        if servers is None:
            raise ValueError("a managed model needs a place for its server's record and log: pass `servers`")
        return stack.enter_context(ManagedChat(spec, servers))
    from distil_dag.adapters.llamacpp.chat import LlamaCppChat

    if spec.mode == "embedded":
        path = embedded_batch_gguf(cache_folder) if cache_folder else embedded_gguf()
        return stack.enter_context(LlamaCppChat(path))
    if not spec.model:
        raise ValueError("a model of mode `gguf` needs `model`: the path of the GGUF file")
    thoughts = spec.thinking_tokens or _THOUGHTS if spec.thinking == "on" else 0
    chat = stack.enter_context(LlamaCppChat(Path(spec.model).expanduser(), thoughts=thoughts))
    chat.require_template()
    return chat
