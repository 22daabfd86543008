"""One tiny student of each family, from training to a GGUF file, and the prompt ids of every path.

    python benchmarks/student_families.py [FAMILY=FOLDER ...] [--only FAMILY ...] [--vllm PYTHON] [--json]

FOLDER holds the family's own tokenizer; families without one get the embedded model's words with their own
control tokens. PYTHON is the interpreter of an environment with vLLM, whose chat rendering is asked too.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from family_models import CASES, FAMILIES, TOOLS, write_base

from distil_dag.adapters.candidates.checkpoint import CheckpointCandidate
from distil_dag.adapters.candidates.gguf import GgufCandidate
from distil_dag.adapters.checkpoints.student_template import template_warnings
from distil_dag.adapters.checkpoints.transformers_model import CheckpointModel
from distil_dag.adapters.llamacpp.embedded_weights import embedded_checkpoint
from distil_dag.adapters.llamacpp.vocabulary import open_vocabulary
from distil_dag.adapters.run_store import RunStore
from distil_dag.adapters.serving.student import Student
from distil_dag.core.case import Case, Example, Message
from distil_dag.core.conversation import openai_turns, with_results_named
from distil_dag.core.settings import ExportSpec, StudentSpec, TrainingSpec
from distil_dag.core.sources import SqlSource
from distil_dag.core.task import Settings, Task
from distil_dag.core.tool_call import ToolCall
from distil_dag.runs.export import export
from distil_dag.runs.provenance import provenance
from distil_dag.stages.training.rows import tokenise
from distil_dag.stages.training.sft import MODEL, student_tokenizer, train

_VLLM = Path(__file__).with_name("vllm_rendering.py")
_ANSWER = (ToolCall(name="water", arguments={"bed": "rose"}),)


@dataclass
class Outcome:
    """How far a family came.

    Attributes:
        family: Its name.
        tokenizer: Whose words the vocabulary has.
        steps: Steps that were trained.
        refused: Why it went no further; empty where it went the whole way.
        differing: The paths whose prompt ids differ from the training's, with the conversations.
        paths: The paths that were compared.
    """

    family: str
    tokenizer: str
    steps: int = 0
    refused: str = ""
    differing: dict[str, list[str]] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)


def main() -> None:
    """Take every family the whole way and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("tokenizers", nargs="*", help="FAMILY=FOLDER")
    parser.add_argument("--only", nargs="*", default=sorted(FAMILIES), choices=sorted(FAMILIES))
    parser.add_argument("--vllm", help="interpreter of an environment with vLLM")
    parser.add_argument("--json", action="store_true", help="print the line of JSON only")
    options = parser.parse_args()
    own = {name: Path(folder) for name, folder in (text.split("=", 1) for text in options.tokenizers)}
    outcomes = []
    with tempfile.TemporaryDirectory() as place:
        embedded = embedded_checkpoint(Path(place) / "embedded")
        for name in options.only:
            base = write_base(name, Path(place) / name / "base", embedded, own.get(name))
            outcome = whole_way(name, base, Path(place) / name / "out", options.vllm)
            outcome.tokenizer = "its own" if name in own else "respelled"
            outcomes.append(outcome)
            if not options.json:
                print(_line(outcome), flush=True)
    print(json.dumps([asdict(outcome) for outcome in outcomes], ensure_ascii=False))


def task_of(base: Path, system_prompt: str = "Be brief.") -> Task:
    """A task whose student is this base, trained for a few steps."""
    settings = Settings(
        name="garden",
        traces=SqlSource(kind="sql", url="sqlite://", table="t"),
        student=StudentSpec(model=str(base), system_prompt=system_prompt),
        training=TrainingSpec(batch_size=4, epochs=1, least_seen=0, learning_rate=1e-3),
        export=ExportSpec(quantizations=(), primary="f16", probes=len(CASES)),
        evaluation={"max_new_tokens": 8},
    )
    return Task(settings=settings, description="The garden", tools=tuple(TOOLS.openai()))


def whole_way(name: str, base: Path, out: Path, vllm: str | None = None) -> Outcome:
    """Check a base, train it, export it, and compare the prompt ids of all paths.

    Args:
        name: The family's name.
        base: Folder of the base model.
        out: Where training and files go.
        vllm: Interpreter of an environment with vLLM, if its rendering is compared.
    """
    outcome = Outcome(name, "")
    task = task_of(base)
    student, training = task.settings.student, task.settings.training
    try:
        if warnings := template_warnings(task, CASES):
            outcome.refused = "; ".join(warnings)
            return outcome
    except ValueError as error:
        outcome.refused = str(error)
        return outcome
    rows = [
        Example(**case.model_copy(update={"calls": _ANSWER}).model_dump(), origin="seed") for case in CASES
    ]
    report = train(rows, TOOLS, student, training, base, out)
    outcome.steps = report.steps
    checkpoint, files = out / MODEL, out / "files"
    files.mkdir()
    origin = provenance(RunStore(out / "no runs"), "garden.all", task)
    exported, _ = export(checkpoint, files, task, origin, CASES, [], report, [])
    if not all(file.tokens_equal and file.template_equal for file in exported.files):
        outcome.refused = "golden texts or template differ"
    tokenizer = student_tokenizer(base, student)
    trained = [list(row.prompt) for row in tokenise(rows, TOOLS, student, tokenizer, tokenizer.chat_template)]
    for path, found in prompt_ids(checkpoint, files / exported.primary, student, vllm).items():
        outcome.paths.append(path)
        differing = [case.id for case, a, b in zip(CASES, trained, found, strict=True) if a != b]
        if differing:
            outcome.differing[path] = differing
    return outcome


def prompt_ids(
    checkpoint: Path, file: Path, student: StudentSpec, vllm: str | None = None
) -> dict[str, list[list[int]]]:
    """The prompt ids of `CASES` by each path: path -> ids of each case.

    Args:
        checkpoint: Folder of the student.
        file: Its GGUF file.
        student: Its settings.
        vllm: Interpreter of an environment with vLLM, if its rendering is asked.
    """
    model = CheckpointModel(checkpoint)
    briefed = [_briefed(case, student.system_prompt) for case in CASES]
    asked = CheckpointCandidate("c", checkpoint, TOOLS, 1, student.system_prompt).answer(CASES)
    measured = GgufCandidate(file, TOOLS, 1).answer(CASES)
    with Student(file) as served:
        in_process = [list(served.prompt(case.messages)) for case in CASES]
    found = {
        "transformers": [model.chat_tokens(messages) for messages in briefed],
        "checkpoint candidate": [list(answer.asked or ()) for answer in asked if answer],
        "GGUF candidate": [list(answer.asked or ()) for answer in measured if answer],
        "Student": in_process,
        "llama-cpp-python": _by_llama_cpp_python(file, model.special_tokens, briefed),
    }
    if vllm:
        found["vLLM"] = _by_vllm(vllm, checkpoint, briefed)
    return found


def _briefed(case: Case, system_prompt: str) -> list[Message]:
    return [Message(role="system", content=system_prompt), *case.messages]


def _turns(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Turns as servers hand them to a template: arguments as objects."""
    turns: list[dict[str, Any]] = openai_turns(with_results_named(messages))
    for turn in turns:
        for call in turn.get("tool_calls", []):
            call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    return turns


def _by_llama_cpp_python(
    file: Path, special: dict[str, str], conversations: Sequence[Sequence[Message]]
) -> list[list[int]]:
    import gguf
    from llama_cpp.llama_chat_format import Jinja2ChatFormatter

    template = gguf.GGUFReader(file).fields["tokenizer.chat_template"].contents()
    written = Jinja2ChatFormatter(template, special.get("eos_token", ""), special.get("bos_token", ""))
    with open_vocabulary(file) as vocabulary:
        return [
            vocabulary.tokenize(written(messages=_turns(messages)).prompt, special=True)
            for messages in conversations
        ]


def _by_vllm(python: str, checkpoint: Path, conversations: Sequence[Sequence[Message]]) -> list[list[int]]:
    body = json.dumps([openai_turns(with_results_named(messages)) for messages in conversations])
    done = subprocess.run(
        [python, str(_VLLM), str(checkpoint)], input=body, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"vLLM could not render: {done.stderr[-800:]}")
    ids: list[list[int]] = json.loads(done.stdout.splitlines()[-1])
    return ids


def _line(outcome: Outcome) -> str:
    if outcome.refused:
        return f"{outcome.family:12} {outcome.tokenizer:10} refused: {outcome.refused}"
    equal = len(outcome.paths) - len(outcome.differing)
    return (
        f"{outcome.family:12} {outcome.tokenizer:10} {outcome.steps} steps, "
        f"{equal} of {len(outcome.paths)} paths equal {outcome.differing or ''}"
    )


if __name__ == "__main__":
    main()
