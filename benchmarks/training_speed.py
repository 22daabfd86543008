"""Tokens a second of training: plain TRL against this project's trainer, on the same rows in one run.

    python benchmarks/training_speed.py [CASES.jsonl] [--rows 192] [--json]

CASES is a JSONL file of solved cases; the smart-home example's reviewed ones if left out. Both train the
embedded student on the same tokenised rows, once through, with the batch size, learning rate and schedule
that the project trains with; all else is TRL's default in the one and ours in the other.

Padding does not count as tokens, and the first two steps of each are warm-up. What each has learned is
measured alike: the mean loss over the answers of rows that neither has seen. Each has a process to itself,
since our set-up begins with that process's environment.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from distil_dag.adapters.checkpoints.base_weights import base_checkpoint
from distil_dag.adapters.system.malloc import keeping_memory
from distil_dag.adapters.system.openmp import share_cores
from distil_dag.core.case import Example
from distil_dag.core.settings import StudentSpec, TrainingSpec
from distil_dag.core.toolset import Toolset
from distil_dag.stages.ports import quiet
from distil_dag.stages.reading.case_files import read_cases
from distil_dag.stages.training.rows import TrainingRow, tokenise
from distil_dag.stages.training.sft import student_tokenizer
from distil_dag.stages.training.trainer import load_base, make_trainer

_EXAMPLE = Path(__file__).parents[1] / "examples" / "smart_home"
_WAYS = ("trl", "ours")
_WARM_STEPS = 2
_HELD_OUT = 64


def main() -> None:
    """Train both ways and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("cases", type=Path, nargs="?", default=_EXAMPLE / "test.jsonl")
    parser.add_argument("--rows", type=int, default=192, help="at most")
    parser.add_argument("--json", action="store_true", help="print the line of JSON only")
    parser.add_argument("--only", choices=_WAYS, help="train one way, in this process")
    options = parser.parse_args()
    if options.only:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(_measure(options.only, options.cases, options.rows, Path(folder))))
        return
    found = {way: _in_own_process(way, options.cases, options.rows) for way in _WAYS}
    ratio = round(found["ours"]["tokens_per_second"] / found["trl"]["tokens_per_second"], 3)
    if not options.json:
        for way, each in found.items():
            print(f"{way:<5}{each['tokens_per_second']:8.1f} tokens/s, held-out loss {each['loss']:.3f}")
        print(f"ours is {ratio:.2f} times as fast")
    print(json.dumps({"cores": len(os.sched_getaffinity(0)), **found, "ratio": ratio}))


def _in_own_process(way: str, cases: Path, rows: int) -> dict[str, Any]:
    command = [sys.executable, __file__, str(cases), "--rows", str(rows), "--only", way]
    told = keeping_memory(os.environ) if way == "ours" else {}
    done = subprocess.run(command, env={**os.environ, **told}, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _measure(way: str, cases: Path, count: int, folder: Path) -> dict[str, Any]:
    """One way of training: what it trained on, its tokens a second, and what it has learned."""
    if way == "ours":
        share_cores()
    base, name = base_checkpoint(StudentSpec(), folder / "base")
    tokenizer = student_tokenizer(base, StudentSpec())
    found, _ = read_cases(cases.read_text().splitlines(), toolset=None)
    job = json.loads((_EXAMPLE / "job_description.json").read_text())
    toolset = Toolset.from_openai(job["tools"], job["task_description"])
    examples = [Example(**case.model_dump(), origin="seed") for case in found if case.calls]
    rows = tokenise(examples, toolset, StudentSpec(), tokenizer, tokenizer.chat_template)
    unseen, rows = rows[:_HELD_OUT], rows[_HELD_OUT:][:count]
    spec = TrainingSpec(epochs=1.0, least_seen=0, save_every_steps=10**6)
    if way == "ours":
        trainer = make_trainer(load_base(base, None, spec), tokenizer, rows, spec, folder / way, quiet)
    else:
        trainer = _plain(base, tokenizer, rows, spec, folder / way)
    said = {"base": name, "rows": len(rows), "batch_size": spec.batch_size}
    return {**said, **_trained(trainer, rows, unseen)}


def _plain(base: Path, tokenizer: Any, rows: Sequence[TrainingRow], spec: TrainingSpec, folder: Path) -> Any:
    """TRL's trainer as its defaults have it, with the settings that decide what is learned made equal."""
    import torch
    import trl
    from datasets import Dataset

    config = trl.SFTConfig(
        output_dir=str(folder),
        use_cpu=not torch.cuda.is_available(),  # it starts on no CPU without being told
        per_device_train_batch_size=spec.batch_size,
        learning_rate=spec.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=spec.warmup_ratio,
        num_train_epochs=spec.epochs,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    data = Dataset.from_list([row.columns() for row in rows])
    return trl.SFTTrainer(model=str(base), args=config, train_dataset=data, processing_class=tokenizer)


def _trained(trainer: Any, rows: Sequence[TrainingRow], unseen: Sequence[TrainingRow]) -> dict[str, float]:
    """Tokens a second after the warm-up, and the loss on the unseen rows in nats a token."""
    from transformers import TrainerCallback

    ends: list[float] = []

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            ends.append(time.perf_counter())

    trainer.add_callback(Clock())
    trainer.train()
    steps = len(ends) - _WARM_STEPS
    tokens = sum(row.length for row in rows) * steps / len(ends)
    return {
        "tokens_per_second": round(tokens / (ends[-1] - ends[_WARM_STEPS - 1]), 1),
        "loss": round(_loss(trainer.model, unseen), 4),
    }


def _loss(model: Any, rows: Sequence[TrainingRow]) -> float:
    import torch

    model.eval()
    total = count = 0.0
    with torch.inference_mode():
        for row in rows:
            ids = torch.tensor([[*row.prompt, *row.completion]])
            logits = model(input_ids=ids).logits[0, len(row.prompt) - 1 : -1].float()
            answer = torch.tensor(row.completion)
            total += float(torch.nn.functional.cross_entropy(logits, answer, reduction="sum"))
            count += len(row.completion)
    return total / count


if __name__ == "__main__":
    main()
