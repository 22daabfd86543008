"""Training the real student for a few steps: what is learned from, killed and resumed, exported."""

import json
import os
import signal
import subprocess

import pytest

from distil_dag.adapters.checkpoints.base_weights import base_checkpoint
from distil_dag.adapters.checkpoints.transformers_model import CheckpointModel
from distil_dag.adapters.llamacpp.chat import LlamaCppChat
from distil_dag.adapters.llamacpp.gguf_tools import find_converter, read_metadata
from distil_dag.adapters.run_store import RunStore, file_digest
from distil_dag.adapters.serving.student import Student
from distil_dag.core.case import Message
from distil_dag.core.confidence import Confidence
from distil_dag.core.reports.provenance import Provenance
from distil_dag.core.settings import StudentSpec
from distil_dag.core.tool_call import ToolCall
from distil_dag.runs.export import export
from distil_dag.runs.provenance import provenance
from distil_dag.stages.exporting.parity import golden_texts
from distil_dag.stages.student.prompt import CLOSED_BOOK_TEMPLATE, render_prompt
from distil_dag_tests.stages.training.short_training import (
    ROWS,
    SPEC,
    TOOLS,
    job_folder,
    make_task,
    train_once,
    wait_for,
    weights,
)

pytest.importorskip("torch")
pytest.importorskip("trl")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(trainings, base):
    """A training that nothing interrupted."""
    return trainings / "whole", train_once(base, trainings / "whole")


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
    monkeypatch.setattr("distil_dag.stages.training.sft.load_base", lambda *_: pytest.fail("trained again"))
    assert train_once(base, folder) == report


def test_a_killed_training_goes_on_to_the_same_weights(trainings, base, trained, start_training):
    folder = job_folder(base, trainings / "killed")
    process = start_training(folder)
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


def test_the_training_ends_with_the_process_that_wanted_it(trainings, base, start_training):
    folder = job_folder(base, trainings / "orphan")
    parent = subprocess.Popen(["sleep", "60"])
    process = start_training(folder, DISTIL_DAG_TRAIN_FOR=str(parent.pid))
    wait_for(folder / "checkpoints", process)
    parent.kill()  # and nobody waits for it: it stays as a zombie
    assert process.wait(timeout=10) == 128 + signal.SIGTERM
    parent.wait()
    assert not (folder / "report.json").exists()


def test_a_signal_ends_it_with_the_last_checkpoint_kept(trainings, base, start_training):
    folder = job_folder(base, trainings / "stopped")
    process = start_training(folder)
    wait_for(folder / "checkpoints" / "checkpoint-8" / "whole", process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 128 + signal.SIGTERM
    assert list((folder / "checkpoints").glob("checkpoint-*/whole"))


def test_another_training_in_the_folder_is_discarded(trainings, base):
    out = trainings / "reused"
    (out / "checkpoints" / "checkpoint-9").mkdir(parents=True)
    (out / "checkpoints" / "checkpoint-9" / "whole").touch()
    (out / "fingerprint").write_text("of something else")
    assert train_once(base, out, ROWS[:4], SPEC.model_copy(update={"epochs": 1})).resumed_from_step == 0


def test_adapters_are_merged_into_the_weights(trainings, base):
    spec = SPEC.model_copy(update={"method": "lora", "lora_rank": 4, "epochs": 1, "trained_layers": 1})
    report = train_once(base, trainings / "lora", ROWS[:8], spec)
    assert report.method == "lora"
    names = {path.name for path in (trainings / "lora" / "model").iterdir()}
    assert "model.safetensors" in names
    assert not any(name.startswith("adapter") for name in names)
    config = json.loads((trainings / "lora" / "model" / "config.json").read_text())
    assert config["architectures"] == ["LlamaForCausalLM"]
    from safetensors import safe_open

    with (
        safe_open(base / "model.safetensors", "pt") as before,
        safe_open(trainings / "lora" / "model" / "model.safetensors", "pt") as after,
    ):
        names = before.keys()
        assert set(names) == set(after.keys())
        changed = [name for name in names if not before.get_tensor(name).equal(after.get_tensor(name))]
    assert changed
    assert all(name.startswith("model.layers.1.") for name in changed)


def test_rows_that_do_not_fit_are_counted(trainings, base):
    long = ROWS[0].model_copy(update={"messages": (Message(role="user", content="word " * 100),)})
    spec = SPEC.model_copy(update={"max_length": 30, "epochs": 1})
    report = train_once(base, trainings / "long", [*ROWS[:4], long], spec)
    assert report.unsupervised_rows == 1
    assert report.truncated >= 1
    assert not (report.truncated == 5 and report.stop_token_trained)
    with pytest.raises(ValueError, match="none of 1 rows has a supervised token"):
        train_once(base, trainings / "nothing", [long], spec)


def test_the_exported_files_are_the_checkpoint(trained, trainings):
    try:
        find_converter()
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
    folder = trainings / "files"
    folder.mkdir()
    ancestors = [{"asset": "checkpoint", "storage_id": 7, "parents": []}]
    task = make_task()
    origin = provenance(RunStore(trainings / "no runs"), "lights.all", task)
    report, _ = export(trained[0] / "model", folder, task, origin, ROWS, ROWS, trained[1], ancestors)
    assert [file.path for file in report.files] == ["model-f16.gguf", "model-Q8_0.gguf"]
    assert all(file.tokens_equal and file.template_equal and file.probes == 8 for file in report.files)
    # A student of two layers is often undecided between tokens, and f16 decides for it.
    assert report.files[0].agreement >= 0.5
    for file in report.files:
        assert set(file.by_attention) == {"off", "on"}
        assert file.agreement == min(file.by_attention.values())
    found = read_metadata(folder / "model-Q8_0.gguf")
    assert found["general.name"] == "lights"
    assert json.loads(found["distil_dag.lineage"]) == ancestors
    assert json.loads(found["distil_dag.tools"]) == list(TOOLS)
    assert Provenance.model_validate_json(found["distil_dag.provenance"]) == origin
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
        assert answer.confidence == report.confidence.right_with(answer.score)
        assert answer.confident is report.confidence.holds(answer.score)


def test_the_golden_texts_find_another_tokenizer(trained, trainings, base):
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
    if (trainings / "files" / "model-f16.gguf").exists():
        with LlamaCppChat(trainings / "files" / "model-f16.gguf", parallel=1) as file:
            assert [file.tokenize(text) for text in golden_texts()] == [
                model.tokenize(text) for text in golden_texts()
            ]


def test_a_base_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(FileNotFoundError, match="neither a folder nor a model"):
        base_checkpoint(StudentSpec(model="nobody/no-such-model"), tmp_path)
    (tmp_path / "adapter").mkdir()
    with pytest.raises(FileNotFoundError, match="has to be merged first"):
        base_checkpoint(StudentSpec(model=str(tmp_path / "adapter")), tmp_path)
