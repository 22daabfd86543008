"""How likely a text is after a prompt, from a server's log-probabilities of prompt tokens."""

from __future__ import annotations

import math
from typing import Any

from distil_dag.adapters.openai_api.endpoint import Endpoint
from distil_dag.adapters.openai_api.server_tokens import conversation_tokens
from distil_dag.stages.ports import Prompt, Score


class CannotScoreError(RuntimeError):
    """The endpoint can't say how likely a given text is."""


async def prompt_score(endpoint: Endpoint, item: tuple[Prompt, str]) -> Score:
    """Log-probability of a text, including the end of its turn, after a prompt.

    Args:
        endpoint: A vLLM server.
        item: The prompt and the assistant's text.

    Returns:
        The score (natural log); minus infinity with no tokens where prompt and text exceed the context.

    Raises:
        CannotScoreError: The server is no vLLM, or its answer holds no such numbers.
    """
    engine = await endpoint.engine()
    if not (engine.prompt_logprobs and engine.tokenizes):
        raise CannotScoreError(f"a server of kind {engine.name} gives no log-probabilities of prompts")
    prompt, text = item
    try:
        before, _ = await conversation_tokens(endpoint, prompt, prompt.prefill)
        said, _ = await conversation_tokens(endpoint, prompt, prompt.prefill + text)
        whole, longest = await conversation_tokens(endpoint, prompt, prompt.prefill + text, ends=True)
        whole = whole[: len(said) + 1]  # the template may put a line break behind the end of the turn
        if len(whole) >= longest:
            return Score(-math.inf, 0)
        start = next(
            (at for at, (a, b) in enumerate(zip(before, whole, strict=False)) if a != b), len(before)
        )
        body = {"model": endpoint.model, "prompt": whole, "max_tokens": 1, "prompt_logprobs": 0}
        answer: Any = await endpoint.client.post("/completions", body=body, cast_to=object)
        rows = answer["choices"][0]["prompt_logprobs"][start:]
        values = [row[str(token)]["logprob"] for row, token in zip(rows, whole[start:], strict=True)]
    except (LookupError, TypeError, ValueError) as error:
        raise CannotScoreError(f"{type(error).__name__}: {error}") from None
    return Score(sum(values), len(values), start)
