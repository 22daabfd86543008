"""What similar requests predict: votes and readers that leave the request itself out.

The votes are kernel ridge regressions on the similarity of requests, whose leave-one-out
predictions come from one matrix inverse for all labels at once (Rasmussen and Williams 2006,
equation 5.12). The tools' own names and descriptions vote along, so that a log of twenty traces
has more than itself to go by.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence

import numpy as np

from distil_dag.core.case import Trace
from distil_dag.core.context import ContextRule
from distil_dag.core.normalise import Normaliser
from distil_dag.core.toolset import Tool, Toolset
from distil_dag.stages.nlu.cross_fitting import FOLDS
from distil_dag.stages.nlu.spans import Words
from distil_dag.stages.statistics import Floats

# A vote is never taken to be smaller: an unseen thing is unlikely, not impossible.
LEAST_VOTE = 1e-3

_RIDGE = 0.3
_LEAST_WEIGHT = 0.02
_TOOL_TEXT_WEIGHT = 0.3
# Requests that vote; a log beyond it is judged by this many of its own, evenly spread.
_VOTERS = 3000
_CHUNK = 2000


class Requests:
    """The requests of a log, read once: words, similarity, folds. Nothing here looks at a call."""

    def __init__(self, traces: Sequence[Trace], toolset: Toolset, normaliser: Normaliser) -> None:
        self.traces = traces
        self.toolset = toolset
        self.words = [Words(trace.request) for trace in traces]
        self.history = [Words(_before(trace, normaliser.context)) for trace in traces]
        self.keys = [normaliser.identity(trace) for trace in traces]
        self.situations = [normaliser.situation(trace) for trace in traces]
        # By the request alone: another row in the log moves no request to another fold.
        self.folds = np.array([zlib.crc32(key.encode()) % FOLDS for key in self.keys], dtype=np.int64)
        step = max(1, math.ceil(len(traces) / _VOTERS))
        self.voters = np.arange(0, len(traces), step)
        # The words that a request depends on.
        self.before = [Words("\n".join(normaliser.asked(trace)[1:])).words for trace in traces]
        self.texts = [self.marked(place, words.words) for place, words in enumerate(self.words)]
        self.tool_texts = [_tool_text(tool) for tool in toolset.tools]

    def marked(self, place: int, words: Sequence[str]) -> str:
        """Words of a request with those that it depends on.

        Marks say what came before it: an answer to it, or a conversation.
        """
        turns = self.traces[place].messages
        marks = [f"<{turn.role}>" for turn in turns[-1:] if turn.role != "user"]
        marks += ["<history>"] if any(turn.role == "assistant" for turn in turns) else []
        return " ".join([*words, *self.before[place], *marks]) or "<empty>"


class Votes:
    """What similar requests predict. Three views of a request, each a third of the similarity.

    Words carry the meaning and letters the forms and typos. In the third the words of arguments
    are replaced by the argument's name, which leaves the words that choose the tool: two rooms
    are alike there, "on" and "off" are not.
    """

    def __init__(self, requests: Requests, masked: Sequence[str], weights: Floats) -> None:
        from scipy.sparse import hstack
        from sklearn.feature_extraction.text import TfidfVectorizer

        texts = requests.texts + requests.tool_texts
        share = math.sqrt(1 / 3)
        parts = r"\S+"
        words = TfidfVectorizer(token_pattern=parts, ngram_range=(1, 2), sublinear_tf=True)
        letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True)
        plain = TfidfVectorizer(token_pattern=parts, ngram_range=(1, 2), use_idf=False)
        views = (
            words.fit_transform(texts),
            letters.fit_transform(texts),
            plain.fit_transform([*masked, *requests.tool_texts]),
        )
        vectors = hstack([view * share for view in views]).tocsr()
        count = len(requests.traces)
        self._voters = requests.voters
        self._rows = vectors[:count]
        self._electorate = vectors[np.concatenate([self._voters, np.arange(count, len(texts))])]
        self._trust = np.concatenate(
            [
                np.maximum(weights[self._voters], _LEAST_WEIGHT),
                np.full(len(requests.tool_texts), _TOOL_TEXT_WEIGHT),
            ]
        )
        similarity = (self._electorate @ self._electorate.T).toarray()
        self._inverse = np.linalg.inv(similarity + _RIDGE * np.diag(1 / self._trust))

    def predict(self, labels: Floats, tools: Floats) -> Floats:
        """For each trace what the others predict for each label (columns), about 0 to 1.

        `labels` holds a row a trace, `tools` a row a tool.
        """
        targets = np.vstack([labels[self._voters], tools])
        mean = (self._trust @ targets) / self._trust.sum()
        dual = self._inverse @ (targets - mean)
        found = np.empty_like(labels)
        others = np.setdiff1d(np.arange(len(labels)), self._voters)
        for start in range(0, len(others), _CHUNK):
            rows = others[start : start + _CHUNK]
            found[rows] = (self._rows[rows] @ self._electorate.T).toarray() @ dual + mean
        left_out = targets - dual / np.diag(self._inverse)[:, None]
        found[self._voters] = left_out[: len(self._voters)]
        return np.clip(found, LEAST_VOTE, 1.0)


def _before(trace: Trace, context: ContextRule) -> str:
    """What was said beside the request: its context, and the other turns."""
    last = max((n for n, message in enumerate(trace.messages) if message.role == "user"), default=0)
    turns = [m.content for n, m in enumerate(trace.messages) if n != last and m.role != "system"]
    return "\n".join([*filter(None, [context.of(trace.messages)]), *turns])


def _tool_text(tool: Tool) -> str:
    about = Words(f"{tool.name} {tool.description}".replace("_", " "))
    return " ".join(about.words) or tool.name
