"""What the student's chat template makes of a log, asked before judge and teacher are paid."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from distil_dag.adapters.checkpoints.base_weights import refuse_file
from distil_dag.core.case import Case
from distil_dag.core.task import Task
from distil_dag.stages.student.template_check import refused_conversations
from distil_dag.stages.training.rows import special_tokens
from distil_dag.stages.training.sft import student_tokenizer


def template_warnings(task: Task, cases: Iterable[Case]) -> list[str]:
    """What the chat template of the task's student can't take of these cases; empty for nothing.

    Only the tokenizer of the base is read. Where it can't be had, that is the warning.

    Args:
        task: The task.
        cases: The cases of its log.

    Raises:
        ValueError: The template takes none of the cases, or the base has no template or is a file.
    """
    student = task.settings.student
    if student.model == "embedded":  # it has ChatML
        return []
    local = Path(student.model).expanduser()
    refuse_file(local)
    try:
        tokenizer = student_tokenizer(local if local.is_dir() else student.model, student)
    except OSError as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        return [f"student.model: the tokenizer of {student.model!r} can't be read yet: {said[0]}"]
    cases = list(cases)
    template, special = tokenizer.chat_template, special_tokens(tokenizer)
    refused = refused_conversations(cases, task.toolset, student, template, special, task.context)
    told = [f"{count} of {len(cases)} conversations: {reason}" for reason, count in refused.items()]
    if cases and sum(refused.values()) == len(cases):
        raise ValueError(
            f"student.model: the chat template of {student.model!r} takes no conversation of the log "
            f"({'; '.join(told)}). Choose another base, or change student.system_prompt or "
            "student.tools_in_prompt"
        )
    return [f"the student's chat template can't take {line}; training leaves such rows out" for line in told]
