"""From what a run has stored to the candidates of its evaluation."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distil_dag.adapters.candidates.baselines import LookupCandidate, ProductionCandidate
from distil_dag.adapters.candidates.chat import ChatCandidate, Exemplars
from distil_dag.adapters.candidates.checkpoint import CheckpointCandidate
from distil_dag.adapters.candidates.decoder import DecoderCandidate
from distil_dag.adapters.candidates.earlier_answers import EarlierAnswers
from distil_dag.adapters.candidates.gguf import TIMED, GgufCandidate
from distil_dag.adapters.run_store import RunStore
from distil_dag.adapters.system.versions import versions
from distil_dag.adapters.vllm.lease import Servers
from distil_dag.core import tables
from distil_dag.core.case import Case, HeldOut, Message, Trace
from distil_dag.core.conversation import openai_turns
from distil_dag.core.earlier_round import AnswerOutcome
from distil_dag.core.reports.evaluation import EvalReport
from distil_dag.core.reports.exporting import GgufReport
from distil_dag.core.reports.judging import JudgeReport
from distil_dag.core.reports.synthesis import SynthesisReport
from distil_dag.core.settings import ModelSpec
from distil_dag.core.task import Task
from distil_dag.runs.earlier_round import outcomes_of, rows_before
from distil_dag.runs.training_rows import CONTEXT, SEEDS, in_mix, tables_of_run
from distil_dag.stages.decoding.schema_grammar import answers
from distil_dag.stages.evaluating.candidate import (
    BASE,
    CHECKPOINT,
    PARENT,
    TEACHER,
    TEACHER_FEW_SHOT,
    VLLM,
    Candidate,
    decoder_name,
    gguf_name,
)
from distil_dag.stages.evaluating.cell_scores import cell_scores
from distil_dag.stages.evaluating.evaluate import Learned, Shipped, evaluate
from distil_dag.stages.evaluating.nearest_neighbour import SIMILARITY
from distil_dag.stages.ports import ChatModel, Progress
from distil_dag.stages.splitting.holdout import remaining

OpenChat = Callable[[ModelSpec], AbstractContextManager[ChatModel]]
# Returns folder and identity of the student's base weights.
FindBase = Callable[[Task], tuple[Path, str]]

_PACKAGES = ("distil_dag", "llama-cpp-python", "transformers", "torch")


@dataclass(frozen=True)
class EvaluationPlan:
    """The frozen test of a run, its candidates, and what a reader of the report must know.

    Attributes:
        test: The cases.
        test_labels: Where their labels come from.
        candidates: Everything that answers the test.
        student: Name of the candidate that ships.
        measured: Label -> text about how the numbers were measured.
        learned: What the student learned from.
        shipped: What the export made.
        plan: What the synthetic rows were to cover.
        outcomes: The student's results on rows that were set aside, independent of the test.
    """

    test: list[HeldOut]
    test_labels: str
    candidates: list[Candidate]
    student: str
    measured: dict[str, str]
    learned: Learned
    shipped: Shipped
    plan: SynthesisReport
    outcomes: list[AnswerOutcome]

    def evaluate(self, task: Task, progress: Progress) -> tuple[EvalReport, list[dict[str, Any]]]:
        """Let all candidates answer the test.

        Args:
            task: The run's frozen task.
            progress: Called as answers come in.

        Returns:
            The report, and one row for each answer.

        Raises:
            ValueError: The test is empty, or two candidates have the same name.
            RuntimeError: All answers of a candidate failed, or the student answered no case.
        """
        report, rows = evaluate(
            self.test,
            task.toolset,
            self.candidates,
            task.settings.evaluation,
            progress,
            student=self.student,
            test_labels=self.test_labels,
            measured=self.measured,
            learned=self.learned,
            shipped=self.shipped,
        )
        cells = cell_scores(self.test, rows, self.student, PARENT, self.outcomes, self.plan, task.toolset)
        return report.model_copy(update={"cells": cells, "continues": task.continues}), rows


@contextmanager
def plan_evaluation(
    store: RunStore, run: str, task: Task, open_chat: OpenChat, find_base: FindBase, servers: Servers
) -> Iterator[EvaluationPlan]:
    """Collect all candidates of a run, for the length of a `with` block.

    Models are loaded when they are asked.

    Args:
        store: The store of all runs.
        run: Key of the run.
        task: The run's frozen task.
        open_chat: Opens a chat model by its settings.
        find_base: Finds the student's base weights.
        servers: The run's servers, for a student behind vLLM.

    Yields:
        The plan.

    Raises:
        FileNotFoundError: An asset is missing; the message names the one to materialize first.
        ValueError: The settings hold arguments that a vLLM server can't have.
    """
    test = store.read_cases(run, tables.TEST)
    learned, before = tables_of_run(store, run), rows_before(store, task)
    judging = store.read_report(run, "judged_seeds", JudgeReport)
    rest = remaining(store.read_cases(run, tables.TRACES), store.read_rows(run, tables.SPLIT))
    exemplars = Exemplars.choose(
        learned[SEEDS], task.settings.evaluation.few_shot, task.toolset, task.context
    )
    # Where the test's labels come from the log alone, production is right by definition.
    judged = any(case.production is not None and case.production != case.calls for case in test)
    with ExitStack() as stack:
        files = stack.enter_context(store.local_folder(run, "gguf", "files"))
        weights = stack.enter_context(store.local_folder(run, "checkpoint", "model"))
        exported = store.read_report(run, "gguf", GgufReport)
        students = _ggufs(exported, files, task)
        checkpoint = CheckpointCandidate(
            CHECKPOINT,
            weights,
            task.toolset,
            _longest(task),
            task.settings.student.system_prompt,
            task.settings.student.tools_in_prompt,
            context=task.context,
        )
        candidates: list[Candidate] = [
            *students,
            *_decoder(students[0], task),
            # Before the checkpoint: torch does not free all the GPU memory that it has used.
            *_vllm(checkpoint, task, servers),
            checkpoint,
            *([EarlierAnswers(store, task.continues, PARENT)] if task.continues else []),
            _base(task, open_chat, find_base),
            _teacher(TEACHER, task, open_chat, Exemplars()),
            *([_teacher(TEACHER_FEW_SHOT, task, open_chat, exemplars)] if exemplars.turns else []),
            *([ProductionCandidate(_production_model(test, rest))] if judged else []),
            LookupCandidate(rest, task.normaliser),
        ]
        yield EvaluationPlan(
            test=test,
            test_labels=judging.holdout.test_labels,
            candidates=candidates,
            student=students[0].name,
            measured={
                **_measured(task, exemplars, judged, len(rest)),
                "Files": _parities(exported),
                "Seeds": judging.calibration,
            },
            learned=Learned(
                tables=learned | before,
                trained_on=frozenset([*in_mix(task.settings.training), *before]),
                log=[*learned[SEEDS], *learned[CONTEXT]],
                similarity=task.settings.gates.leak_similarity,
                normaliser=task.normaliser,
            ),
            shipped=Shipped(
                files=[student.name for student in students],
                confidence=exported.confidence,
                price=task.settings.teacher.price,
                guarantee=exported.guarantee,
            ),
            plan=store.read_report(run, "synthetic_set", SynthesisReport),
            outcomes=outcomes_of(store, run),
        )


def cases_as_jsonl(cases: Sequence[Case]) -> bytes:
    """Cases as JSON lines, for `distil-dag eval` or any other tool.

    A row is a request and its response, so assistant turns before the last one stay part of the request.
    """
    rows = []
    for case in cases:
        said = Message(role="assistant", content=case.text, tool_calls=case.calls).openai()
        row = {
            "id": case.id,
            "request": {"messages": openai_turns(case.messages)},
            "response": {"choices": [{"message": {"tool_calls": [], **said}}]},
        }
        rows.append(json.dumps(row, ensure_ascii=False))
    return "".join(row + "\n" for row in rows).encode()


def _parities(report: GgufReport) -> str:
    """How often each file answers as the checkpoint, without and with flash attention."""
    told = []
    for file in report.files:
        shares = [f"{share:.1%} with flash attention {flash}" for flash, share in file.by_attention.items()]
        told.append(f"{file.path} {' and '.join(shares or [f'{file.agreement:.1%}'])}")
    probes = min((file.probes for file in report.files), default=0)
    return f"greedy answers that are the checkpoint's, of {probes}: {'; '.join(told)}"


def _ggufs(report: GgufReport, folder: Path, task: Task) -> list[GgufCandidate]:
    """A candidate for each file, the primary one first."""
    ordered = sorted(report.files, key=lambda file: file.path != report.primary)
    return [
        GgufCandidate(
            path=folder / Path(file.path).name,
            toolset=task.toolset,
            max_tokens=_longest(task),
            name=gguf_name(file.format),
        )
        for file in ordered
    ]


def _decoder(student: GgufCandidate, task: Task) -> list[Candidate]:
    """The file that ships, by the project's own decoder; none where no grammar can be made of the tools."""
    try:
        answers(task.toolset)
    except ValueError:
        return []
    return [DecoderCandidate(student, decoder_name(student.name))]


def _vllm(checkpoint: CheckpointCandidate, task: Task, servers: Servers) -> list[Candidate]:
    """The checkpoint by a vLLM server, where the task asks for it."""
    if task.settings.evaluation.vllm is None:
        return []
    # It imports the SDK, which takes a second.
    from distil_dag.adapters.candidates.vllm import VllmCandidate

    return [VllmCandidate(checkpoint, task.settings.evaluation.vllm, servers, VLLM)]


def _base(task: Task, open_chat: OpenChat, find_base: FindBase) -> Candidate:
    """The student's weights before training, with the tools in the prompt, which it needs."""
    if task.settings.student.model != "embedded":
        folder, identity = find_base(task)
        return CheckpointCandidate(
            BASE,
            folder,
            task.toolset,
            _longest(task),
            task.description,
            tools_shown=True,
            model=identity,
            context=task.context,
        )
    spec = ModelSpec()
    return ChatCandidate(
        name=BASE,
        open=lambda: open_chat(spec),
        toolset=task.toolset,
        max_tokens=_longest(task),
        description=task.description,
        signatures=True,
        context=task.context,
    )


def _teacher(name: str, task: Task, open_chat: OpenChat, exemplars: Exemplars) -> ChatCandidate:
    return ChatCandidate(
        name=name,
        open=lambda: open_chat(task.settings.teacher),
        toolset=task.toolset,
        max_tokens=_longest(task),
        description=task.description,
        exemplars=exemplars,
        signatures=task.settings.teacher.mode == "embedded",
        context=task.context,
    )


def _longest(task: Task) -> int:
    return task.settings.evaluation.max_new_tokens


def _production_model(test: Sequence[HeldOut], rest: Sequence[Trace]) -> str:
    models = sorted({trace.model for trace in rest if trace.model})
    return f"production log ({', '.join(models[:3])})" if models else "production log"


def _measured(task: Task, exemplars: Exemplars, judged: bool, log: int) -> dict[str, str]:
    """What a reader must know to trust the numbers: label -> text."""
    spec = task.settings.evaluation
    told = {
        "Confidence": f"{100 * spec.confidence:g} %",
        "Student": "greedy; each GGUF file by llama.cpp without flash attention, "
        f"{TIMED} requests one at a time, which gives the latencies, and the others together; the checkpoint "
        "by transformers, in batches",
        "Decoder": "the file that ships, held to valid calls by the project's own decoder, every request "
        "alone and timed; left out where no grammar can be made of the tools",
        "Base": "the student's weights before training, with the task's description and tools in its prompt",
        "Teacher": "the task's description and tools in its prompt, zero-shot and with "
        f"{len(exemplars.turns) // 2} seeds as examples, the same for every case",
        "Lookup": f"production's calls for the nearest of {log} traces that remained after the hold-out; "
        f"similarity fixed in advance: {SIMILARITY}",
        "Statistics": "Wilson intervals of shares, bootstrap percentiles of the staged score; Tango's "
        "paired score interval and McNemar's exact test of differences; detectable: Connor, 80 % power",
        "Versions": versions(*_PACKAGES),
    }
    if spec.vllm:
        told["vLLM"] = (
            "the checkpoint behind a server of its own, greedy, every request alone and timed over HTTP; "
            "asked with the token ids of the checkpoint's tokenizer, and by `/tokenize` for those that its "
            "chat route makes of the conversation"
        )
    if task.continues:
        told["Parent"] = f"what the student that ships of {task.continues} answered to the same cases then"
    if not judged:
        told["Production"] = "not a candidate: its own answers are the labels of this test"
    return told
