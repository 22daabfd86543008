"""Training the real student for a few steps: what is learned from, killed and resumed, exported."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from distil_dag.adapters.checkpoint_model import CheckpointModel
from distil_dag.adapters.embedded_weights import embedded_checkpoint
from distil_dag.adapters.gguf_export import export
from distil_dag.adapters.gguf_tools import find_converter, read_metadata
from distil_dag.adapters.llama_cpp_chat import LlamaCppChat
from distil_dag.adapters.run_store import file_digest, weights_digest
from distil_dag.adapters.student import Student
from distil_dag.adapters.student_base import base_checkpoint
from distil_dag.assets.checkpoint import checkpoint
from distil_dag.assets.gguf import gguf
from distil_dag.core.case import Example, Message
from distil_dag.core.confidence import Confidence
from distil_dag.core.reports import GgufReport, TrainReport
from distil_dag.core.task import ExportSpec, Settings, SqlSource, StudentSpec, Task, TrainingSpec
from distil_dag.core.tool_call import ToolCall
from distil_dag.entrypoints.train import JOB_FILE, ROWS_FILE, TrainingJob
from distil_dag.resources.lineage import ancestors
from distil_dag.resources.store import StoreResource
from distil_dag.resources.teacher import TeacherResource
from distil_dag.resources.trainer import TrainerResource
from distil_dag.stages.answer_habits import FILE, AnswerHabits
from distil_dag.stages.export import golden_texts
from distil_dag.stages.sft import train
from distil_dag.stages.student_prompt import CLOSED_BOOK_TEMPLATE, render_prompt

pytest.importorskip("torch")
pytest.importorskip("trl")
pytestmark = pytest.mark.slow

TOOLS = tuple(
    {
        "type": "function",
        "function": {"name": name, "parameters": {"properties": {"room": {"type": "string"}}}},
    }
    for name in ("light_on", "light_off")
)
SPEC = TrainingSpec(
    batch_size=4, epochs=10, synthetic_epochs=10, trained_layers=1, learning_rate=3e-3, save_every_steps=8
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


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("training")


@pytest.fixture(scope="module")
def base(place):
    """The first two of the student's layers: the same tokenizer and embeddings, a tenth of the work."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    whole = embedded_checkpoint(place / "embedded")
    model = AutoModelForCausalLM.from_pretrained(whole, num_hidden_layers=2)
    model.save_pretrained(place / "base")
    AutoTokenizer.from_pretrained(whole).save_pretrained(place / "base")
    return place / "base"


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


def train_once(base: Path, out: Path, rows: list[Example] = ROWS, spec: TrainingSpec = SPEC) -> TrainReport:
    task = make_task(spec)
    return train(rows, task.toolset, task.settings.student, spec, base, out)


@pytest.fixture(scope="module")
def trained(place, base):
    """A training that nothing interrupted."""
    return place / "whole", train_once(base, place / "whole")


def weights(folder: Path) -> str:
    return file_digest(folder / "model" / "model.safetensors")


def test_only_the_answer_and_its_stop_token_are_supervised(trained):
    _, report = trained
    assert (report.rows, report.steps, report.rows_by_origin) == (16, 40, {"seed": 8, "synthetic": 8})
    assert (report.truncated, report.unsupervised_rows, report.stop_token_trained) == (0, 0, True)
    assert report.loss[-1][1] < 0.5 * report.loss[0][1]
    for row in report.audit:
        assert row["prompt"].startswith("<|im_start|>user\nlight ")
        assert row["prompt"].endswith("<|im_end|>\n<|im_start|>assistant\n")
        assert row["supervised"].startswith('<tool_call>{"name":"light_')
        assert row["supervised"].endswith("}}</tool_call><|im_end|>")


def test_the_tokenizer_renders_what_the_student_was_trained_on(trained):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(trained[0] / "model")
    call = ToolCall(name="light_on", arguments={"room": "attic", "deep": {"a": [1, True, None]}})
    messages = [
        Message(role="system", content="Be brief."),
        Message(role="user", content="hi 👋"),
        Message(role="assistant", tool_calls=(call,)),
        Message(role="tool", content="ok"),
        Message(role="user", content="again"),
    ]
    plain = [
        {"role": m.role, "content": m.content, "tool_calls": [c.model_dump() for c in m.tool_calls]}
        for m in messages
    ]
    rendered = tokenizer.apply_chat_template(plain, tokenize=False, add_generation_prompt=True)
    assert rendered == render_prompt(CLOSED_BOOK_TEMPLATE, messages)
    assert tokenizer.eos_token == "<|im_end|>"


def test_answers_come_in_order_whatever_the_batch(trained):
    prompts = [render_prompt(CLOSED_BOOK_TEMPLATE, row.messages) for row in ROWS]
    model = CheckpointModel(trained[0] / "model", batch=5)
    replies = model.complete_text(prompts, 24)
    alone = CheckpointModel(trained[0] / "model", batch=1).complete_text(prompts[:4], 24)
    assert [reply.text for reply in replies[:4]] == [reply.text for reply in alone]
    assert [reply.prompt_tokens for reply in replies] == [len(model.tokenize(text)) for text in prompts]
    assert sum(reply.text.startswith('<tool_call>{"name":"light_') for reply in replies) > 8
    assert model.complete_text(prompts[:1], 2)[0].finish == "length"


def test_a_finished_training_is_not_done_again(trained, base, monkeypatch):
    folder, report = trained
    monkeypatch.setattr("distil_dag.stages.sft.load_base", lambda *_: pytest.fail("trained again"))
    assert train_once(base, folder) == report


def job_folder(base: Path, folder: Path, student: StudentSpec | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    job = TrainingJob(
        student=student or StudentSpec(),
        training=SPEC,
        tools=list(TOOLS),
        base=str(base),
        base_name=str(base),
    )
    (folder / JOB_FILE).write_text(job.model_dump_json())
    pq.write_table(pa.Table.from_pylist([row.row() for row in ROWS]), folder / ROWS_FILE)
    return folder


@pytest.fixture
def start():
    """Starts trainings in processes of their own; none outlives its test."""
    started: list[subprocess.Popen[bytes]] = []

    def run(folder: Path, **environment: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "distil_dag.entrypoints.train", str(folder)]
        started.append(
            subprocess.Popen(command, env={**os.environ, **environment}, stderr=subprocess.DEVNULL)
        )
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.wait()


def wait_for(path: Path, process: subprocess.Popen[bytes], seconds: float = 400) -> None:
    until = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, f"the training ended before {path.name}"
        assert time.monotonic() < until, f"{path} did not come"
        time.sleep(0.02)


def test_a_killed_training_goes_on_to_the_same_weights(place, base, trained, start):
    folder = job_folder(base, place / "killed")
    process = start(folder)
    wait_for(folder / "checkpoints" / "checkpoint-16" / "whole", process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    # What a kill while writing leaves: the newest checkpoint without its end.
    (folder / "checkpoints" / "checkpoint-36").mkdir()
    report = train_once(base, folder)
    assert report.resumed_from_step in (16, 24, 32)
    assert report.steps == 40
    assert weights(folder) == weights(trained[0])
    assert not (folder / "checkpoints").exists()


def test_the_training_ends_with_the_process_that_wanted_it(place, base, start):
    folder = job_folder(base, place / "orphan")
    parent = subprocess.Popen(["sleep", "60"])
    process = start(folder, DISTIL_DAG_TRAIN_FOR=str(parent.pid))
    wait_for(folder / "checkpoints", process)
    parent.kill()  # and nobody waits for it: it stays as a zombie
    assert process.wait(timeout=10) == 128 + signal.SIGTERM
    parent.wait()
    assert not (folder / "report.json").exists()


def test_a_signal_ends_it_with_the_last_checkpoint_kept(place, base, start):
    folder = job_folder(base, place / "stopped")
    process = start(folder)
    wait_for(folder / "checkpoints" / "checkpoint-8" / "whole", process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 128 + signal.SIGTERM
    assert list((folder / "checkpoints").glob("checkpoint-*/whole"))


def test_another_training_in_the_folder_is_discarded(place, base):
    out = place / "reused"
    (out / "checkpoints" / "checkpoint-9").mkdir(parents=True)
    (out / "checkpoints" / "checkpoint-9" / "whole").touch()
    (out / "fingerprint").write_text("of something else")
    assert train_once(base, out, ROWS[:4], SPEC.model_copy(update={"epochs": 1})).resumed_from_step == 0


def test_adapters_are_merged_into_the_weights(place, base):
    spec = SPEC.model_copy(update={"method": "lora", "lora_rank": 4, "epochs": 1, "trained_layers": 1})
    report = train_once(base, place / "lora", ROWS[:8], spec)
    assert report.method == "lora"
    names = {path.name for path in (place / "lora" / "model").iterdir()}
    assert "model.safetensors" in names
    assert not any(name.startswith("adapter") for name in names)
    config = json.loads((place / "lora" / "model" / "config.json").read_text())
    assert config["architectures"] == ["LlamaForCausalLM"]
    from safetensors import safe_open

    with (
        safe_open(base / "model.safetensors", "pt") as before,
        safe_open(place / "lora" / "model" / "model.safetensors", "pt") as after,
    ):
        names = before.keys()
        assert set(names) == set(after.keys())
        changed = [name for name in names if not before.get_tensor(name).equal(after.get_tensor(name))]
    assert changed
    assert all(name.startswith("model.layers.1.") for name in changed)


@pytest.fixture(scope="module")
def deep(place):
    """The first six layers, of which the students below keep three."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    whole = embedded_checkpoint(place / "embedded")
    AutoModelForCausalLM.from_pretrained(whole, num_hidden_layers=6).save_pretrained(place / "deep")
    AutoTokenizer.from_pretrained(whole).save_pretrained(place / "deep")
    return place / "deep"


SHALLOW = StudentSpec(layers=3)


def test_a_shallower_student_is_a_whole_model(place, deep):
    task = make_task(layers=3)
    spec = SPEC.model_copy(update={"method": "lora", "lora_rank": 4, "epochs": 2})
    report = train(ROWS, task.toolset, SHALLOW, spec, deep, place / "shallow")
    assert report.depth is not None
    kept = report.depth.kept
    assert (len(kept), kept[0], kept[-1], len(report.depth.influence)) == (3, 0, 5, 6)
    assert report.loss[-1][1] < report.loss[0][1]
    folder = place / "shallow" / "model"
    assert json.loads((folder / "config.json").read_text())["num_hidden_layers"] == 3
    from safetensors import safe_open

    with (
        safe_open(deep / "model.safetensors", "pt") as before,
        safe_open(folder / "model.safetensors", "pt") as after,
    ):
        # The adapters sit on the last block alone, so the others are those of the base.
        for ours, theirs in enumerate(kept[:-1]):
            part = "self_attn.q_proj.weight"
            same = before.get_tensor(f"model.layers.{theirs}.{part}")
            assert after.get_tensor(f"model.layers.{ours}.{part}").equal(same)
    try:
        find_converter()
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
    (place / "shallow-files").mkdir()
    exported, _ = export(folder, place / "shallow-files", task, "lights.all", ROWS, [], report, [])
    found = read_metadata(place / "shallow-files" / "model-Q8_0.gguf")
    assert found["llama.block_count"] == 3
    assert exported.files[0].agreement >= 0.5
    card = (place / "shallow-files" / exported.model_card).read_text()
    assert "Of the base's 6 blocks, counted from 0, 3 were kept: 0 (" in card


def test_a_killed_shallower_training_goes_on_with_the_same_blocks(place, deep, start):
    report = train(ROWS, make_task().toolset, SHALLOW, SPEC, deep, place / "shallow-whole")
    folder = job_folder(deep, place / "shallow-killed", SHALLOW)
    process = start(folder)
    wait_for(folder / "checkpoints" / "checkpoint-16" / "whole", process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    resumed = train(ROWS, make_task().toolset, SHALLOW, SPEC, deep, folder)
    assert resumed.resumed_from_step >= 16
    assert resumed.depth == report.depth
    assert weights(folder) == weights(place / "shallow-whole")


def test_a_base_with_fewer_layers_fails_at_once(place, base):
    @dg.asset
    def step(context: dg.AssetExecutionContext, trainer: TrainerResource) -> None:
        trainer.train(context, ROWS, make_task(model=str(base), layers=8))

    trainer = TrainerResource(work_root=str(place / "work"))
    result = dg.materialize([step], resources={"trainer": trainer}, raise_on_error=False)
    failure = result.failure_data_for_node("step")
    assert failure is not None
    assert failure.user_failure_data is not None
    assert "student.layers is 8, and base@sha256:" in str(failure.user_failure_data.description)
    assert "has 2 layers" in str(failure.user_failure_data.description)


def test_rows_that_do_not_fit_are_counted(place, base):
    long = ROWS[0].model_copy(update={"messages": (Message(role="user", content="word " * 100),)})
    spec = SPEC.model_copy(update={"max_length": 30, "epochs": 1})
    report = train_once(base, place / "long", [*ROWS[:4], long], spec)
    assert report.unsupervised_rows == 1
    assert report.truncated >= 1
    assert not (report.truncated == 5 and report.stop_token_trained)
    with pytest.raises(ValueError, match="none of 1 rows has a supervised token"):
        train_once(base, place / "nothing", [long], spec)


def test_the_exported_files_are_the_checkpoint(trained, place):
    try:
        find_converter()
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
    folder = place / "files"
    folder.mkdir()
    ancestors = [{"asset": "checkpoint", "storage_id": 7, "parents": []}]
    report, _ = export(
        trained[0] / "model", folder, make_task(), "lights.all", ROWS, ROWS, trained[1], ancestors
    )
    assert [file.path for file in report.files] == ["model-f16.gguf", "model-Q8_0.gguf"]
    assert all(file.tokens_equal and file.template_equal and file.probes == 8 for file in report.files)
    # A student of two layers is often undecided between tokens, and f16 decides for it.
    assert report.files[0].agreement >= 0.5
    found = read_metadata(folder / "model-Q8_0.gguf")
    assert found["general.name"] == "lights"
    assert json.loads(found["distil_dag.lineage"]) == ancestors
    assert json.loads(found["distil_dag.tools"]) == list(TOOLS)
    assert found["tokenizer.chat_template"] == CLOSED_BOOK_TEMPLATE
    assert "FROM ./model-Q8_0.gguf" in (folder / report.modelfile).read_text()
    for file in report.files:
        assert "sha256:" + file.sha256 == file_digest(folder / file.path)
    # The primary file says what its probabilities are worth, by the cases that were held.
    assert list(report.set_aside) == [row.id for row in ROWS]
    assert report.confidence is not None
    assert report.confidence.cases == len(ROWS)
    assert report.confidence.right == sum(report.set_aside.values())
    assert Confidence.from_key_values(found) == report.confidence
    assert Confidence.from_key_values(read_metadata(folder / "model-f16.gguf")) is None
    assert "## When to believe it" in (folder / report.model_card).read_text()
    with Student(folder / "model-Q8_0.gguf", threads=1) as student:
        answer = student.answer(ROWS[0].messages)
        assert answer.confidence == report.confidence.right_with(answer.decoded.logprob)
        assert answer.confident is report.confidence.holds(answer.decoded.logprob)


def test_the_golden_texts_find_another_tokenizer(trained, place, base):
    """The word boundaries that a GGUF loader guesses for this model differ on digits behind spaces."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import AutoTokenizer

    guessed = AutoTokenizer.from_pretrained(base)
    guessed.backend_tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    model = CheckpointModel(trained[0] / "model")
    assert any(
        guessed(text, add_special_tokens=False)["input_ids"] != model.tokenize(text)
        for text in golden_texts()
    )
    if (place / "files" / "model-f16.gguf").exists():
        with LlamaCppChat(place / "files" / "model-f16.gguf", parallel=1) as file:
            assert [file.tokenize(text) for text in golden_texts()] == [
                model.tokenize(text) for text in golden_texts()
            ]


def test_it_runs_as_a_step_of_dagster(place, base):
    told: list[str] = []

    @dg.asset
    def step(context: dg.AssetExecutionContext, trainer: TrainerResource) -> dg.MaterializeResult[None]:
        report, model = trainer.train(context, ROWS, make_task(model=str(base)))
        assert (model / "model.safetensors").exists()
        told.append(f"{report.steps} {report.base.split('@')[0]}")
        return dg.MaterializeResult()

    with dg.instance_for_test() as instance:
        trainer = TrainerResource(work_root=str(place / "work"))
        result = dg.materialize([step], resources={"trainer": trainer}, instance=instance)
        logs = [entry.user_message for entry in instance.all_logs(result.run_id)]
    assert told == ["40 base"]
    assert any("training: 40/40 loss " in line for line in logs)


def test_the_two_assets_publish_a_model_that_names_its_origin(place, base):
    store = StoreResource(root=str(place / "store"))
    runs, run = store.open(), "lights.all"
    runs.write_report(run, "traces", make_task(model=str(base)), name="task")
    runs.write_cases(run, "synthetic_set", "accepted", ROWS[1::2])
    runs.write_cases(run, "judged_seeds", "seeds", ROWS[::2])
    runs.write_cases(run, "judged_seeds", "unlabelled", ROWS[:3])
    runs.write_cases(run, "judged_seeds", "calibration", [])
    trainer, teacher = TrainerResource(work_root=str(place / "work")), TeacherResource(cache_root=str(place))
    resources = {"store": store, "trainer": trainer, "teacher": teacher}
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions("distil_runs", [run])
        result = dg.materialize([checkpoint, gguf], partition_key=run, resources=resources, instance=instance)
        made = {name: result.asset_materializations_for_node(name)[0] for name in ("checkpoint", "gguf")}
        entries = ancestors(instance, "gguf", run, make_task(model=str(base)))
    assert {"loss", "supervised"} <= set(made["checkpoint"].metadata)
    assert "light attic" not in str(made["gguf"].metadata["model card"])
    report = runs.read_report(run, "gguf", GgufReport)
    assert report.confidence is None
    assert report.confidence_missing.startswith("no cases were set aside")
    with runs.local_folder(run, "gguf", "files") as folder:
        carried = json.loads(read_metadata(folder / report.primary)["distil_dag.lineage"])
        assert json.loads((folder / report.lineage).read_text())["ancestors"] == carried
    assert [entry["asset"] for entry in carried] == ["checkpoint"]
    assert carried == entries[1:]
    assert runs.read_report(run, "checkpoint", TrainReport).rows_by_origin == {"synthetic": 8, "seed": 8}


def test_a_student_is_trained_on_from_its_own_weights(place, deep):
    """Also a shallower one, which was cut before it was trained first."""
    from safetensors.torch import load_file

    store = StoreResource(root=str(place / "rounds"))
    runs, spec = store.open(), SPEC.model_copy(update={"epochs": 2, "synthetic_epochs": 2})
    trainer, teacher = TrainerResource(work_root=str(place / "work")), TeacherResource(cache_root=str(place))
    resources = {"store": store, "trainer": trainer, "teacher": teacher}
    # Only the first round is shown that there may be no call.
    idle = ROWS[0].model_copy(
        update={"id": "idle", "messages": (Message(role="user", content="hm"),), "calls": ()}
    )
    # So small a rate that the second round ends where it starts.
    rounds = {"lights.a": spec, "lights.b": spec.model_copy(update={"learning_rate": 1e-12})}
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions("distil_runs", list(rounds))
        for run, chosen in rounds.items():
            task = make_task(chosen, model=str(deep), layers=3)
            continues = "lights.a" if run == "lights.b" else ""
            runs.write_report(run, "traces", task.model_copy(update={"continues": continues}), name="task")
            runs.write_cases(run, "synthetic_set", "accepted", ROWS[1::2])
            runs.write_cases(run, "judged_seeds", "seeds", ROWS[::2] if continues else [*ROWS[::2], idle])
            dg.materialize([checkpoint], partition_key=run, resources=resources, instance=instance)
        behind = ancestors(instance, "checkpoint", "lights.b")
    assert [entry["partition"] for entry in behind] == ["lights.b", "lights.a"]
    first, second = (runs.read_report(run, "checkpoint", TrainReport) for run in rounds)
    with runs.local_folder("lights.a", "checkpoint", "model") as folder:
        before, known = load_file(folder / "model.safetensors"), weights_digest(folder)
    with runs.local_folder("lights.b", "checkpoint", "model") as folder:
        after = load_file(folder / "model.safetensors")
        assert json.loads((folder / "config.json").read_text())["num_hidden_layers"] == 3
        assert AnswerHabits.loads((folder / FILE).read_text(), make_task().toolset).declines
    assert before.keys() == after.keys()
    assert all(after[name].allclose(before[name], atol=1e-6) for name in before)
    assert (second.base, second.continues) == (f"lights.a@{known}", "lights.a")
    assert first.depth is not None
    assert second.depth is None
    assert second.loss[0][1] < 0.8 * first.loss[0][1]


def test_a_training_that_fails_says_where_to_look(place, base):
    @dg.asset
    def step(context: dg.AssetExecutionContext, trainer: TrainerResource) -> None:
        spec = SPEC.model_copy(update={"max_length": 3})
        trainer.train(context, ROWS, make_task(spec, model=str(base)))

    trainer = TrainerResource(work_root=str(place / "work"))
    result = dg.materialize([step], resources={"trainer": trainer}, raise_on_error=False)
    failure = result.failure_data_for_node("step")
    assert failure is not None
    assert "training process failed" in str(failure.user_failure_data or failure.error)


def test_a_base_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(FileNotFoundError, match="neither a folder nor a model"):
        base_checkpoint(StudentSpec(model="nobody/no-such-model"), tmp_path)
    (tmp_path / "adapter").mkdir()
    with pytest.raises(FileNotFoundError, match="has to be merged first"):
        base_checkpoint(StudentSpec(model=str(tmp_path / "adapter")), tmp_path)
