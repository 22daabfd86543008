"""Tables of a run in the forms that others work with: pandas for looking at them, `datasets` for training."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from distil_dag.core.case import Case, Message
from distil_dag.core.control_tokens import neutralise
from distil_dag.core.conversation import with_results_named
from distil_dag.core.tables import CaseTable, Table
from distil_dag.core.task import Task
from distil_dag.core.tool_call import NO_CALL_TEXT, ToolCall
from distil_dag.stages.student.prompt import student_messages

if TYPE_CHECKING:
    import datasets
    import pandas as pd

# Of dlt, which loads the traces.
_BOOKKEEPING = "_dlt_"


def as_frame(rows: pa.Table, table: Table) -> pd.DataFrame:
    """The rows as a frame; columns that hold JSON become lists and dicts, `time` a time in UTC.

    Whole numbers and truth values are pandas' nullable ones, so a missing value changes no type. A column
    that has no value at all has no type.
    """
    import pandas as pd

    types = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    kept = rows.select([name for name in rows.column_names if not name.startswith(_BOOKKEEPING)])
    frame: pd.DataFrame = kept.to_pandas(types_mapper=types.get)
    if isinstance(table, CaseTable) and not rows.column_names:
        # An empty table was written without its columns.
        frame = frame.reindex(columns=[*table.row.model_fields, "request"])
    for name in frame.columns.intersection(list(table.nested)):
        values = [json.loads(text) if isinstance(text, str) else None for text in frame[name]]
        frame[name] = pd.Series(values, index=frame.index, dtype=object)
    if "time" in frame:
        frame["time"] = pd.to_datetime(frame["time"], utc=True, format="ISO8601")
    return frame


def as_dataset(cases: Sequence[Case], task: Task) -> datasets.Dataset:
    """The cases in TRL's conversational form: `id`, `prompt`, `completion`, `tools`.

    The prompt is what the task's student reads: of production's system prompt only its context. The
    completion is one assistant turn with the calls in canonical form, or the words for no call.

    Raises:
        ImportError: the package `datasets` is not installed.

    Warns:
        UserWarning: rows hold numbers that `datasets` can't read back to the last digit.
    """
    try:
        import datasets
    except ImportError as error:
        raise ImportError("a dataset needs the package datasets: pip install 'distil_dag[train]'") from error

    completions = [[_answer(task.toolset.canonical(call) for call in case.calls)] for case in cases]
    system_prompt = task.settings.student.system_prompt
    prompts = [
        map(_turn, with_results_named(student_messages(case, system_prompt, task.context))) for case in cases
    ]
    columns = {
        "prompt": [_as_json(prompt) for prompt in prompts],
        "completion": [_as_json(completion) for completion in completions],
        "tools": [_as_json(task.toolset.openai())] * len(cases),
    }
    turns = datasets.List(datasets.Json())
    features = datasets.Features({"id": datasets.Value("string"), **dict.fromkeys(columns, turns)})
    made = datasets.Dataset.from_dict({"id": [case.id for case in cases], **columns}, features=features)
    read_back = zip(cases, completions, made["completion"], strict=True)
    if changed := [case.id for case, completion, read in read_back if completion != read]:
        warnings.warn(
            f"`datasets` reads numbers of {len(changed)} rows back with other digits, as 0.3 becomes "
            f"0.30000000000000004; the first is {changed[0]!r}: drop them, or make texts of Run.frame",
            stacklevel=3,
        )
    return made


def _as_json(values: Iterable[Any]) -> list[str]:
    """JSON texts, which `datasets` stores as they are; of objects it would cut numbers to ten decimals."""
    return [json.dumps(value, ensure_ascii=False) for value in values]


def _turn(message: Message) -> dict[str, Any]:
    turn = {"role": message.role, "content": neutralise(message.content)}
    return turn | ({"tool_calls": _calls(message.tool_calls)} if message.tool_calls else {})


def _answer(calls: Iterable[ToolCall]) -> dict[str, Any]:
    made = _calls(calls)
    if not made:
        return {"role": "assistant", "content": NO_CALL_TEXT}
    return {"role": "assistant", "content": "", "tool_calls": made}


def _calls(calls: Iterable[ToolCall]) -> list[dict[str, Any]]:
    return [{"type": "function", "function": call.model_dump()} for call in calls]
