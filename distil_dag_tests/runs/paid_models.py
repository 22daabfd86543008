"""A paid model at the port, and a place where assets are materialized on it again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg

from distil_dag.adapters.chat.meter import Meter, read_spending
from distil_dag.adapters.chat.open_chat import kept_and_counted
from distil_dag.adapters.run_store import RunStore
from distil_dag.core import tables
from distil_dag.core.settings import ModelSpec
from distil_dag.core.task import Settings, Task
from distil_dag.core.toolset import Toolset
from distil_dag.resources.models import ModelsResource
from distil_dag.resources.store import StoreResource
from distil_dag.stages.ports import ChatModel, OnReply, OnScore, Prompt, Reply, Score, unheeded
from distil_dag_tests.stages.household_log import TOOLSET, faulty_log
from distil_dag_tests.stages.synthesis.lamp_teacher import TOOLS, good, seeds
from distil_dag_tests.stand_ins import JUDGE_REPORT, TRACES_REPORT

RUN = "home.all"
BATCH = 16
MARKS = '{"inference_clarity": 4, "inference_coherence": 4}'
# A call's tokens.
PROMPT, ANSWER = 10, 5

Answer = Callable[[int, str], str]


class Paid:
    """A model that keeps what it was really asked."""

    identity = "paid@1"

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        # How many tokens a prompt has.
        self.length: Callable[[Prompt], int] = lambda prompt: PROMPT
        self.asked: list[Prompt] = []

    def generate(self, prompts: Sequence[Prompt], arrived: OnReply = unheeded) -> list[Reply]:
        replies = []
        for prompt in prompts:
            # The same prompt gets the same reply, whenever it is asked.
            said = self.answer(prompt.seed, prompt.messages[-1].content)
            self.asked.append(prompt)
            replies.append(Reply(said, "stop", self.length(prompt), ANSWER))
        return replies

    def score(self, items: Sequence[tuple[Prompt, str]], arrived: OnScore = unheeded) -> list[Score]:
        self.asked += [prompt for prompt, _ in items]
        return [Score(-1.0, ANSWER, self.length(prompt)) for prompt, _ in items]


def paid_teacher(model: Paid, cache: Path) -> ModelsResource:
    """The model behind the cache and the meter of every run."""

    class PaidTeacher(ModelsResource):
        @contextmanager
        def chat(self, spec: ModelSpec, meter: Meter | None = None) -> Iterator[ChatModel]:
            with kept_and_counted(model, spec, cache, meter) as chat:
                yield chat

    return PaidTeacher(cache_root=str(cache))


class Installation:
    """A store, a cache and an instance, in which an asset is materialized again and again."""

    def __init__(self, root: Path, instance: dg.DagsterInstance, answer: Answer, tools: Toolset) -> None:
        self.root, self.instance, self.tools = root, instance, tools
        self.model = Paid(answer)
        self.store = RunStore(root / "store")
        instance.add_dynamic_partitions("distil_runs", [RUN])

    def freeze(self, **settings: Any) -> Task:
        """The task of the run, with these settings."""
        chosen = Settings.model_validate(
            {"name": "home", "traces": {"kind": "files", "path": "log.jsonl"}, **settings}
        )
        task = Task(settings=chosen, description="a home", tools=tuple(self.tools.openai()))
        self.store.write_report(RUN, "traces", task, name="task")
        return task

    def materialize(self, asset: dg.AssetsDefinition, **settings: Any) -> dg.ExecuteInProcessResult:
        self.freeze(**settings)
        teacher = paid_teacher(self.model, self.root / "cache")
        return dg.materialize(
            [asset],
            instance=self.instance,
            partition_key=RUN,
            resources={"store": StoreResource(root=str(self.root / "store")), "models": teacher},
            raise_on_error=False,
        )

    @property
    def used(self) -> int:
        return read_spending(self.store, RUN).total.tokens


Place = Callable[[str, Answer, Toolset], Installation]


def with_seeds(place: Place, name: str) -> Installation:
    home = place(name, good, TOOLS)
    home.store.write_cases(RUN, tables.SEEDS, seeds())
    for table in (tables.CONTEXT, tables.UNLABELLED, tables.TEST, tables.CALIBRATION):
        home.store.write_cases(RUN, table, [])
    home.store.write_report(RUN, "judged_seeds", JUDGE_REPORT)
    return home


def with_log(place: Place, name: str) -> Installation:
    home = place(name, lambda seed, words: MARKS, TOOLSET)
    home.store.write_cases(RUN, tables.TRACES, faulty_log(220, 0.2)[0])
    home.store.write_report(RUN, "traces", TRACES_REPORT)
    return home


SYNTHESIS = {
    "synthesis": {
        "rows": 40,
        "batch": BATCH,
        "widen": False,
        "max_attempts_per_row": 8,
        "transplant_share": 0,
    }
}
SERVED = {"mode": "attached", "model": "paid"}
JUDGING = {"teacher": SERVED, "judge": {"kind": "rubric"}, "test": {"size": 12}}
