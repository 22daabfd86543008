"""Trainings of a few steps: a task of lights, its rows, and a base of few layers."""

import subprocess
import time
from pathlib import Path
from typing import Any

from distil_dag.adapters.run_store import file_digest
from distil_dag.core.case import Example, Message
from distil_dag.core.reports.training import TrainReport
from distil_dag.core.settings import ExportSpec, StudentSpec, TrainingSpec
from distil_dag.core.sources import SqlSource
from distil_dag.core.task import Settings, Task
from distil_dag.core.tool_call import ToolCall
from distil_dag.entrypoints.train import TrainingJob
from distil_dag.stages.training.sft import train

TOOLS = tuple(
    {
        "type": "function",
        "function": {"name": name, "parameters": {"properties": {"room": {"type": "string"}}}},
    }
    for name in ("light_on", "light_off")
)
SPEC = TrainingSpec(
    batch_size=4,
    epochs=10,
    synthetic_epochs=10,
    least_seen=0,
    trained_layers=1,
    learning_rate=3e-3,
    save_every_steps=8,
)
ROWS = [
    Example(
        id=f"{room}-{word}",
        messages=(Message(role="user", content=f"light {word} in the {room}"),),
        calls=(ToolCall(name=f"light_{word}", arguments={"room": room}),),
        origin="seed" if word == "on" else "synthetic",
    )
    for room in ("attic", "kitchen", "hall", "cellar", "garage", "blue room", "bath", "loft")
    for word in ("on", "off")
]


def make_task(spec: TrainingSpec = SPEC, **student: Any) -> Task:
    settings = Settings(
        name="lights",
        traces=SqlSource(kind="sql", url="sqlite://", table="t"),
        student=StudentSpec(**student),
        training=spec,
        export=ExportSpec(quantizations=("Q8_0",), probes=8),
        evaluation={"max_new_tokens": 40},
    )
    return Task(settings=settings, description="Lights", tools=TOOLS)


def first_layers(whole: Path, layers: int, out: Path) -> Path:
    """Writes the first layers of a checkpoint: the same tokenizer and embeddings, less work."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    AutoModelForCausalLM.from_pretrained(whole, num_hidden_layers=layers).save_pretrained(out)
    AutoTokenizer.from_pretrained(whole).save_pretrained(out)
    return out


def train_once(base: Path, out: Path, rows: list[Example] = ROWS, spec: TrainingSpec = SPEC) -> TrainReport:
    task = make_task(spec)
    return train(rows, task.toolset, task.settings.student, spec, base, out)


def weights(folder: Path) -> str:
    return file_digest(folder / "model" / "model.safetensors")


def job_folder(base: Path, folder: Path, student: StudentSpec | None = None) -> Path:
    job = TrainingJob(
        student=student or StudentSpec(),
        training=SPEC,
        tools=list(TOOLS),
        base=str(base),
        base_name=str(base),
    )
    job.write(folder, ROWS)
    return folder


def wait_for(path: Path, process: subprocess.Popen[bytes], seconds: float = 400) -> None:
    until = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, f"the training ended before {path.name}"
        assert time.monotonic() < until, f"{path} did not come"
        time.sleep(0.02)
