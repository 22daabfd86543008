"""llama.cpp's C library: loaded on demand, with its log kept for error messages."""

from __future__ import annotations

import ctypes
from collections import deque
from typing import Any

from distil_dag.adapters.system.openmp import share_cores

_said: deque[str] = deque(maxlen=8)
_callbacks: list[Any] = []


def load_library() -> Any:
    """Load the module of llama.cpp's C functions and divert its log from stderr.

    Returns:
        The module `llama_cpp.llama_cpp`.

    Raises:
        ImportError: llama-cpp-python is not installed; the message has the command that installs it.
    """
    share_cores()
    try:
        from llama_cpp import llama_cpp as api
    except ImportError as error:
        raise ImportError(
            "llama-cpp-python is not installed: run `pip install 'distil_dag[gguf]'` "
            "(it compiles llama.cpp), or use an endpoint as the model"
        ) from error
    if not _callbacks:
        # Kept in a list, because llama.cpp calls the callback as long as the process lives.
        _callbacks.append(api.llama_log_callback(_keep_line))
        api.llama_log_set(_callbacks[0], ctypes.c_void_p(0))
        api.llama_backend_init()
    return api


def last_words() -> str:
    """The end of llama.cpp's log, at most 400 characters; it holds the cause of an error."""
    return " ".join("".join(_said).split())[-400:] or "llama.cpp gave no reason"


def read_string(read: Any, model: Any, index: int) -> str:
    """The string that one of llama.cpp's functions writes into a caller's buffer.

    Args:
        read: C function `(model, index, buffer, size) -> length`.
        model: The model's pointer.
        index: Which of the model's strings to read.
    """
    room = 1 << 10
    buffer = ctypes.create_string_buffer(room)
    length = int(read(model, index, buffer, room))
    if length >= room:
        buffer = ctypes.create_string_buffer(length + 1)
        read(model, index, buffer, length + 1)
    return buffer.value.decode("utf-8", "replace")


def _keep_line(level: int, text: bytes, _: Any) -> None:
    _said.append(text.decode("utf-8", "replace"))
