"""Which task a request is for: by the model that it names, and by its tools where that leaves a choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from distil_dag.entrypoints.serve.served import Served
from distil_dag.stages.serving.refusals import ApiError


class Names:
    """The names under which tasks are asked for.

    A client that has only changed its address still names the teacher's model. So that name stands for the
    task whose teacher it is, and any name does where one task alone is served with a teacher.

    Args:
        served: the tasks.

    Raises:
        ValueError: two of them have one name.
    """

    def __init__(self, served: Sequence[Served]) -> None:
        self._served = list(served)
        self._by_name = {one.name: one for one in served}
        if len(self._by_name) != len(self._served):
            raise ValueError("two of what is served have one name: serve one of them elsewhere")

    def is_ours(self, model: str) -> bool:
        """Whether a model's name is that of a task."""
        return model in self._by_name

    def exactly(self, model: str) -> Served:
        """The task of this name.

        Raises:
            ApiError: there is none.
        """
        if model not in self._by_name:
            raise self._unknown(model)
        return self._by_name[model]

    def of(self, model: str, body: Mapping[str, Any]) -> Served:
        """The task that a request is for.

        Args:
            model: as the request names it.
            body: of a chat completion, with its tools.

        Raises:
            ApiError: there is none.
        """
        if model in self._by_name:
            return self._by_name[model]
        behind = [one for one in self._served if one.teacher and one.teacher.model in (None, model)]
        if not behind and len(self._served) == 1 and self._served[0].teacher:
            behind = self._served
        if not behind:
            raise self._unknown(model)
        tools = body.get("tools")
        same = [one for one in behind if not one.current.check.of(tools).difference]
        return (same or behind)[0]

    def _unknown(self, model: str) -> ApiError:
        named = ", ".join(self._by_name)
        return ApiError(
            404, f"there is no model {model[:100]!r}; served here: {named}", "model_not_found", "model"
        )
