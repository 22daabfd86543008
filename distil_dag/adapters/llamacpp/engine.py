"""A GGUF model and one llama.cpp context that holds many sequences side by side."""

from __future__ import annotations

import copy
import ctypes
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distil_dag.adapters.llamacpp.library import last_words, load_library, read_string
from distil_dag.adapters.llamacpp.vocabulary import Vocabulary

Tokens = NDArray[np.int32]
Logits = NDArray[np.float32]

# The sequence that keeps a call's common prefix for the next call.
ROOT = 0
# Most tokens in one pass.
_PASS = 512
# The root is computed in blocks of this many tokens, each in a pass of its own. So its values are the same,
# bit by bit, however much of it was in the cache already.
_BLOCK = 64
_LARGEST_DEFAULT_CACHE = 8192


class LlamaCppEngine:
    """Weights, vocabulary, and a key-value cache that all sequences share.

    Sequence 0 is the root, which keeps a common prefix. Sequences 1 to `parallel` are for use. The methods
    are for one thread at a time.

    Args:
        path: The GGUF file.
        parallel: Number of sequences besides the root.
        context: Size of the cache in tokens; by default the model's training length, at most 8,192.
        threads: CPU threads; `OMP_NUM_THREADS` or all available cores by default.
        flash_attention: Whether attention is computed as one operation. None: off on a CPU, where it sums up
            in half precision, and as llama.cpp chooses on a GPU.

    Attributes:
        can_fork: Whether a sequence can begin as a copy of another's prefix; False for recurrent models.
        vocabulary: The model's vocabulary.
        cache_size: Size of the cache in tokens.
        limit: The longest sequence, prompt and answer together, in tokens.
        root: Token ids of the root, int32.

    Raises:
        FileNotFoundError: There is no file at `path`.
        ValueError: The file is no GGUF model that decodes, or the memory does not suffice.
    """

    def __init__(
        self,
        path: Path,
        parallel: int = 32,
        context: int | None = None,
        threads: int | None = None,
        flash_attention: bool | None = None,
    ) -> None:
        if not path.is_file():
            raise FileNotFoundError(f"there is no GGUF file at {path}")
        api = self._api = load_library()
        self._context: Any = None
        self._owns_model = True
        self._model: Any = api.llama_model_load_from_file(os.fsencode(path), api.llama_model_default_params())
        if not self._model:
            raise ValueError(f"{path} cannot be loaded as a GGUF model: {last_words()}")
        if api.llama_model_has_encoder(self._model) or not api.llama_model_has_decoder(self._model):
            self.close()
            raise ValueError(f"{path} holds a model with an encoder; a chat model only decodes")
        # The state of a recurrent model can't be forked at an earlier position.
        self.can_fork = not (
            api.llama_model_is_recurrent(self._model) or api.llama_model_is_hybrid(self._model)
        )
        self.vocabulary = Vocabulary(api, self._model)
        self._path, self._threads, self._flash_attention = path, threads, flash_attention
        self._open_context(parallel, context)

    def sibling(self, parallel: int, context: int | None = None, longest_pass: int = _PASS) -> LlamaCppEngine:
        """Another cache on the same weights, to be closed before this one.

        Args:
            parallel: As for the class.
            context: As for the class.
            longest_pass: Most tokens in one pass.

        Raises:
            ValueError: The memory does not suffice.
        """
        other = copy.copy(self)
        other._context, other._owns_model = None, False
        other._open_context(parallel, context, longest_pass)
        return other

    def _open_context(self, parallel: int, context: int | None, longest_pass: int = _PASS) -> None:
        api = self._api
        self.parallel = parallel
        settings = self._settings(context, longest_pass)
        self._context = api.llama_init_from_model(self._model, settings)
        if not self._context:
            self.close()
            raise ValueError(f"there is no memory for a context of {self._path}: {last_words()}")
        self.cache_size = int(api.llama_n_ctx(self._context))
        # The longest sequence, prompt and answer, in tokens.
        self.limit = min(self.cache_size, int(api.llama_model_n_ctx_train(self._model)))
        self.root: Tokens = np.empty(0, np.int32)
        self._memory = api.llama_get_memory(self._context)
        self._batch = _Batch(api, longest_pass)

    @property
    def metadata(self) -> dict[str, str]:
        """The key-values of the GGUF file as strings, without arrays."""
        api, model = self._api, self._model
        return {
            read_string(api.llama_model_meta_key_by_index, model, index): read_string(
                api.llama_model_meta_val_str_by_index, model, index
            )
            for index in range(api.llama_model_meta_count(model))
        }

    @property
    def is_open(self) -> bool:
        """Whether the model is in memory."""
        return self._context is not None

    @property
    def room(self) -> int:
        """Number of tokens that still fit into the next pass."""
        return self._batch.room

    def close(self) -> None:
        """Free the model's memory; a second call does nothing."""
        if self._context:
            self._api.llama_free(self._context)
        if self._model and self._owns_model:
            self._api.llama_model_free(self._model)
        self._context = self._model = None

    def plant(self, root: Tokens) -> int:
        """Make a prefix the root, and forget all other sequences.

        Only whole blocks of the prefix are kept. Blocks that the root holds already are not computed again.

        Args:
            root: Token ids of the prefix, int32.

        Returns:
            The number of tokens that the root keeps.

        Raises:
            RuntimeError: The cache has no room for the prefix, or llama.cpp fails.
        """
        root = root[: len(root) // _BLOCK * _BLOCK] if self.can_fork else root[:0]
        kept = shared_length(self.root, root) // _BLOCK * _BLOCK
        if kept:
            self.forget(ROOT, kept)
            for sequence in range(1, self.parallel + 1):
                self.forget(sequence)
        else:
            self.clear()
        for start in range(kept, len(root), _BLOCK):
            for position in range(start, start + _BLOCK):
                self.add(int(root[position]), position, ROOT, wanted=False)
            if not self.compute():
                raise RuntimeError("the cache has no room for the common beginning of the prompts")
        self.root = root
        return len(root)

    def clear(self) -> None:
        """Forget all sequences, the root included."""
        self._api.llama_memory_clear(self._memory, False)
        self._batch.take()
        self.root = self.root[:0]

    def fork(self, source: int, sequence: int, length: int) -> None:
        """Begin a sequence with the first tokens of another one, which costs no memory.

        Args:
            source: The sequence to copy from.
            sequence: The sequence to begin.
            length: Number of tokens to take over.
        """
        if length:
            self._api.llama_memory_seq_cp(self._memory, source, sequence, 0, length)

    def forget(self, sequence: int, start: int = 0) -> None:
        """Drop a sequence from position `start` on."""
        self._api.llama_memory_seq_rm(self._memory, sequence, start, -1)

    def add(self, token: int, position: int, sequence: int, wanted: bool) -> None:
        """Put a token into the next pass.

        Args:
            token: Token id.
            position: Its place in the sequence, from 0.
            sequence: The sequence that it belongs to.
            wanted: Whether the prediction after this token is needed.
        """
        self._batch.add(token, position, sequence, wanted)

    def compute(self) -> bool:
        """Run the pass.

        Returns:
            False, with nothing changed, when the cache has no room for the pass.

        Raises:
            RuntimeError: llama.cpp fails.
        """
        code = int(self._api.llama_decode(self._context, self._batch.take()))
        if code not in (0, 1):
            raise RuntimeError(f"llama_decode failed with code {code}: {last_words()}")
        return code == 0

    def logits(self, rows: int) -> Logits:
        """The wanted predictions of the last pass, valid until the next pass.

        Args:
            rows: Number of tokens that were added with `wanted`.

        Returns:
            Array of shape `(rows, vocabulary size)`, float32, in the order of `add`.
        """
        shape = (rows, self.vocabulary.size)
        if not rows:
            return np.empty(shape, np.float32)
        return np.ctypeslib.as_array(self._api.llama_get_logits(self._context), shape=shape)

    def _settings(self, context: int | None, longest_pass: int) -> Any:
        api, flash_attention = self._api, self._flash_attention
        settings = api.llama_context_default_params()
        trained = int(api.llama_model_n_ctx_train(self._model))
        settings.n_ctx = context or min(trained, _LARGEST_DEFAULT_CACHE)
        settings.n_batch = settings.n_ubatch = longest_pass
        settings.n_seq_max = self.parallel + 1
        settings.n_threads = settings.n_threads_batch = self._threads or _cores()
        settings.kv_unified = True  # sequences share the cells of a common prefix
        settings.swa_full = True  # a sliding window can't be forked
        settings.no_perf = True
        if flash_attention is None and not api.llama_supports_gpu_offload():
            flash_attention = False
        settings.flash_attn_type = {
            None: api.LLAMA_FLASH_ATTN_TYPE_AUTO,
            False: api.LLAMA_FLASH_ATTN_TYPE_DISABLED,
            True: api.LLAMA_FLASH_ATTN_TYPE_ENABLED,
        }[flash_attention]
        return settings


def shared_length(left: Tokens, right: Tokens) -> int:
    """Number of leading tokens that two sequences have in common."""
    length = min(len(left), len(right))
    differ = left[:length] != right[:length]
    return int(differ.argmax()) if differ.any() else length


class _Batch:
    """llama.cpp's input for one pass, in NumPy arrays that are filled without C calls."""

    def __init__(self, api: Any, size: int) -> None:
        self._tokens = np.zeros(size, np.int32)
        self._positions = np.zeros(size, np.int32)
        self._sequences = np.zeros(size, np.int32)
        self._sequence_counts = np.ones(size, np.int32)
        self._wanted = np.zeros(size, np.int8)
        # A token may belong to several sequences, hence a pointer each; here it is always one.
        step = self._sequences.itemsize
        self._pointers = (self._sequences.ctypes.data + step * np.arange(size + 1)).astype(np.uintp)
        self._pointers[size] = 0

        def pointer(array: NDArray[Any], kind: Any) -> Any:
            return array.ctypes.data_as(ctypes.POINTER(kind))

        self._size, self._count = size, 0
        self._struct = api.llama_batch(
            n_tokens=0,
            token=pointer(self._tokens, ctypes.c_int32),
            embd=None,
            pos=pointer(self._positions, ctypes.c_int32),
            n_seq_id=pointer(self._sequence_counts, ctypes.c_int32),
            seq_id=pointer(self._pointers, ctypes.POINTER(ctypes.c_int32)),
            logits=pointer(self._wanted, ctypes.c_int8),
        )

    @property
    def room(self) -> int:
        return self._size - self._count

    def add(self, token: int, position: int, sequence: int, wanted: bool) -> None:
        index = self._count
        self._tokens[index], self._positions[index] = token, position
        self._sequences[index], self._wanted[index] = sequence, wanted
        self._count += 1

    def take(self) -> Any:
        """The filled struct; the next `add` begins a new one."""
        self._struct.n_tokens, self._count = self._count, 0
        return self._struct


def _cores() -> int:
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdigit() and int(wanted) > 0:
        return int(wanted)
    if hasattr(os, "sched_getaffinity"):  # not on every system
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
