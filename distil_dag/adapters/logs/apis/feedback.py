"""Scores that a service keeps apart from the answers that they are of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from distil_dag.adapters.logs.apis.service import refused_with

_NOT_THERE = (404, 405, 410)


def with_scores(
    records: Sequence[Any],
    field: str,
    asked_by: Callable[[dict[str, Any]], Any],
    known_by: Callable[[dict[str, Any]], Iterable[Any]],
    ask: Callable[[list[str]], Iterator[tuple[str, Any]]],
    most: int,
) -> list[Any]:
    """The records, each with its scores as they are at this time.

    Args:
        records: A page as the service gives it.
        field: Where the service's recorder keeps the scores of a record.
        asked_by: The id by which the scores of a record are asked for.
        known_by: The ids of which scores are the record's: its own, that of its trace.
        ask: From some ids to (id, score); a service that has no scores refuses with 404.
        most: How many ids are asked for at once.
    """
    from requests import HTTPError

    ids = list(
        dict.fromkeys(str(name) for one in records if isinstance(one, dict) and (name := asked_by(one)))
    )
    found: defaultdict[str, list[Any]] = defaultdict(list)
    for start in range(0, len(ids), most):
        try:
            for name, score in ask(ids[start : start + most]):
                found[name].append(score)
        except HTTPError as error:
            if not refused_with(error, *_NOT_THERE):
                raise

    def scored(record: Any) -> Any:
        names = known_by(record) if isinstance(record, dict) else ()
        scores = [score for name in dict.fromkeys(names) for score in found.get(str(name), ())]
        return {**record, field: [*(record.get(field) or ()), *scores]} if scores else record

    return [scored(record) for record in records]
