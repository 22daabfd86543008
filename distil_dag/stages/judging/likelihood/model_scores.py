"""What a model makes of a call: how likely the answer is behind a few of the log's own examples.

The number is a contrast: log-probability of the call less that of the same call with the tool
that the log thinks likeliest otherwise. Requests of one kind share their examples, and so the
beginning of their prompts, which a model computes once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from distil_dag.core.case import Message
from distil_dag.core.tool_call import NO_CALL_TEXT, Calls, ToolCall, render_call
from distil_dag.core.toolset import Toolset
from distil_dag.stages.judging.likelihood.features import Evidence
from distil_dag.stages.judging.likelihood.neighbours import Requests
from distil_dag.stages.ports import ChatModel, Progress, Prompt, Score, quiet
from distil_dag.stages.prompting.delimiters import one_line
from distil_dag.stages.prompting.prompt_files import render
from distil_dag.stages.statistics import Floats

Item = tuple[int, Calls]

# Examples of the likeliest tool, and of how many others one each.
_OWN, _OTHERS = 3, 3
_LONGEST_TEXT = 300
# Items put to the model at once: what is scored stays scored when a run is killed.
_BATCH = 16


class ModelScorer:
    """Asks a model how likely calls are, with examples that the log's other traces make credible."""

    def __init__(
        self, requests: Requests, evidence: Evidence, trust: Floats, toolset: Toolset, model: ChatModel
    ) -> None:
        self._requests = requests
        self._evidence = evidence
        self._toolset = toolset
        self._model = model
        # Two disjoint sets of examples, so that no request is shown its own answer.
        order = sorted(range(len(requests.traces)), key=lambda n: (-trust[n], requests.traces[n].id))
        self._halves: tuple[dict[str, list[int]], dict[str, list[int]]] = ({}, {})
        sides: dict[str, int] = {}
        for n in order:
            key = requests.keys[n]
            calls = requests.traces[n].calls
            if len(requests.traces[n].request) > _LONGEST_TEXT or len(_text(calls)) > _LONGEST_TEXT:
                continue
            name = calls[0].name if calls else ""
            # Copies of a request go to one side.
            fresh = key not in sides
            side = sides.setdefault(key, len(sides) % 2)
            if fresh:
                self._halves[side].setdefault(name, []).append(n)
        self._sides = sides

    def contrast(self, items: Sequence[Item], progress: Progress = quiet) -> Floats:
        """A row an item: contrast with the rival, and log-probability a token; zeros if too long."""
        scores: list[Score] = []
        for start in range(0, len(items), _BATCH):
            asked: list[tuple[Prompt, str]] = []
            for n, calls in items[start : start + _BATCH]:
                prompt = self._prompt(n)
                asked += [(prompt, _text(calls)), (prompt, _text(self._rival(n, calls)))]
            scores += self._model.score(asked)
            progress(min(start + _BATCH, len(items)), len(items), "calls scored by the model")
        rows = []
        for own, rival in zip(scores[::2], scores[1::2], strict=True):
            readable = np.isfinite(own.logprob) and np.isfinite(rival.logprob)
            rows.append(
                [own.logprob - rival.logprob, own.logprob / max(1, own.tokens)] if readable else [0.0, 0.0]
            )
        return np.array(rows, dtype=np.float64).reshape(len(items), 2)

    def _prompt(self, n: int) -> Prompt:
        examples = self._halves[1 - self._sides.get(self._requests.keys[n], 0)]
        rivals = self._evidence.rivals(n)
        chosen = [m for name in [*rivals[1 : 1 + _OTHERS], ""] for m in examples.get(name, [])[:1]]
        chosen += examples.get(rivals[0], [])[:_OWN]
        traces = [self._requests.traces[m] for m in chosen]
        asks = render(
            "likelihood_judge",
            examples=[{"request": _line(t.request), "call": _text(t.calls)} for t in traces],
            request=_line(self._requests.traces[n].request),
        )
        return Prompt(messages=(Message(role="user", content=asks),))

    def _rival(self, n: int, calls: Calls) -> Calls:
        names = {call.name for call in calls}
        name = next((name for name in self._evidence.rivals(n) if name not in names), None)
        if name is None:
            return ()
        known = self._toolset[name].properties if name in self._toolset else {}
        kept = {key: value for key, value in (calls[0].arguments if calls else {}).items() if key in known}
        return (ToolCall(name=name, arguments=kept),)


def _text(calls: Calls) -> str:
    return "\n".join(render_call(call) for call in calls) or NO_CALL_TEXT


def _line(text: str) -> str:
    return one_line(text)[:_LONGEST_TEXT]
