"""What the student's tokenizer and chat template make of a log, asked before judge and teacher are paid."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from distil_dag.adapters.checkpoints.base_weights import refuse_file
from distil_dag.adapters.checkpoints.student_vocabulary import vocabulary_fault
from distil_dag.core.case import Case
from distil_dag.core.task import Task
from distil_dag.stages.exporting.parity import golden_texts
from distil_dag.stages.student.prompt import render_prompt, student_messages
from distil_dag.stages.student.template_check import refused_conversations
from distil_dag.stages.training.rows import special_tokens
from distil_dag.stages.training.sft import student_tokenizer

# Conversations of a log whose prompts are read by llama.cpp as well.
_TRIED = 32


def template_warnings(task: Task, cases: Iterable[Case]) -> list[str]:
    """What the chat template of the task's student can't take of these cases; empty for nothing.

    Only the tokenizer of the base is read. Where it can't be had, that is the warning. Whether llama.cpp
    reads prompts as that tokenizer does is tried as well.

    Args:
        task: The task.
        cases: The cases of its log.

    Raises:
        ValueError: The base is a file or has no template, its template takes none of the cases, or llama.cpp
            reads its prompts otherwise.
    """
    student = task.settings.student
    if student.model == "embedded":  # it has ChatML
        return []
    local = Path(student.model).expanduser()
    refuse_file(local)
    base = local if local.is_dir() else student.model
    try:
        tokenizer = student_tokenizer(base, student)
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
    warnings = [
        f"the student's chat template can't take {line}; training leaves such rows out" for line in told
    ]
    return warnings + _file_warnings(task, cases, tokenizer, base)


def _file_warnings(task: Task, cases: Sequence[Case], tokenizer: Any, base: Path | str) -> list[str]:
    student = task.settings.student
    texts = [*_prompts(task, cases, tokenizer), *golden_texts()]
    try:
        fault = vocabulary_fault(tokenizer, base, student.revision, texts)
    except (ImportError, OSError) as error:
        return [f"student.model: its GGUF files can't be tried yet: {str(error).strip().splitlines()[0]}"]
    if fault:
        raise ValueError(
            f"student.model: no GGUF file can be made of {student.model!r} that reads its prompts alike: "
            f"{fault}. Choose another base"
        )
    return []


def _prompts(task: Task, cases: Sequence[Case], tokenizer: Any) -> list[str]:
    student = task.settings.student
    tools = task.toolset.openai() if student.tools_in_prompt else None
    prompts = []
    for case in cases[:_TRIED]:
        with suppress(ValueError):  # a refused conversation, which is told already
            messages = student_messages(case, student.system_prompt, task.context)
            prompts.append(render_prompt(tokenizer.chat_template, messages, tools, special_tokens(tokenizer)))
    return prompts
