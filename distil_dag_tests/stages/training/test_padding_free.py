"""A batch without its padding gives what the padded one gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from distil_dag.core.case import Example, Message
from distil_dag.core.settings import StudentSpec, TrainingSpec
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Toolset
from distil_dag.stages.ports import quiet
from distil_dag.stages.training.padding_free import allow, pack
from distil_dag.stages.training.rows import tokenise
from distil_dag.stages.training.sft import student_tokenizer
from distil_dag.stages.training.trainer import make_trainer

SHAPE: dict[str, Any] = {
    "vocab_size": 99,
    "hidden_size": 48,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 8,
}
LENGTHS = (5, 11, 9, 1)


def tiny(kind: str, **changed: Any) -> Any:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **SHAPE | changed)
    return AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").float()


def batch() -> tuple[Any, Any]:
    import torch

    ids = torch.randint(0, 99, (len(LENGTHS), max(LENGTHS)), generator=torch.Generator().manual_seed(0))
    mask = torch.arange(max(LENGTHS))[None] < torch.tensor(LENGTHS)[:, None]
    return ids, mask.long()


@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3"])
def test_hidden_states_and_gradients_are_those_of_the_padded_batch(kind: str) -> None:
    import torch

    model, (ids, mask) = tiny(kind), batch()
    padded = model.model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
    padded[mask.bool()].square().sum().backward()
    wanted = {
        name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None
    }
    model.zero_grad()

    assert allow(model)
    packed = pack(ids, mask)
    assert packed.input_ids.shape == (1, sum(LENGTHS))
    found = model.model(
        input_ids=packed.input_ids, position_ids=packed.position_ids, batch=packed, use_cache=False
    ).last_hidden_state
    assert torch.allclose(found, packed.packed(padded), atol=1e-6)
    found.square().sum().backward()
    for name, weight in model.named_parameters():
        if weight.grad is not None:
            assert torch.allclose(weight.grad, wanted[name], rtol=1e-3, atol=1e-4), name


def test_without_a_batch_the_model_attends_as_before() -> None:
    import torch

    model, (ids, mask) = tiny("llama"), batch()
    before = model.model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
    assert allow(model)
    after = model.model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
    assert torch.equal(before[mask.bool()], after[mask.bool()])


@pytest.mark.parametrize(
    ("kind", "changed"),
    [("gpt_neox", {}), ("qwen3", {"use_sliding_window": True, "sliding_window": 4, "max_window_layers": 1})],
)
def test_a_model_that_looks_beyond_its_row_or_not_at_all_of_it_keeps_its_padding(
    kind: str, changed: dict[str, Any]
) -> None:
    model = tiny(kind, **changed)
    assert not allow(model)
    assert model.config._attn_implementation == "sdpa"


@pytest.mark.slow
def test_the_loss_of_a_step_is_trls_own(embedded_student: Path, tmp_path: Path) -> None:
    import trl
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(
        embedded_student, num_hidden_layers=2, attn_implementation="sdpa"
    )
    tokenizer = student_tokenizer(embedded_student, StudentSpec())
    examples = [
        Example(
            id=f"{count}",
            messages=(Message(role="user", content="light " * count),),
            calls=(ToolCall(name="light", arguments={"count": count}),),
            origin="seed",
        )
        for count in range(1, 9)
    ]
    rows = tokenise(examples, Toolset(()), StudentSpec(), tokenizer, tokenizer.chat_template)
    spec = TrainingSpec(batch_size=8, epochs=1, least_seen=0)
    trainer = make_trainer(model, tokenizer, rows, spec, tmp_path / "out", quiet)
    assert trainer.without_padding
    batch = next(iter(trainer.get_train_dataloader()))
    assert not batch["attention_mask"].all()
    found = trainer.compute_loss(model, dict(batch)).detach()
    wanted = trl.SFTTrainer.compute_loss(trainer, model, dict(batch)).detach()
    assert float(found) == pytest.approx(float(wanted), rel=0.01)  # bfloat16 where the CPU has it
