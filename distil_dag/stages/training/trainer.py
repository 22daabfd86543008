"""The set-up of TRL's trainer: where it computes, what it updates, when a checkpoint is whole."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from distil_dag.core.settings import TrainingSpec
from distil_dag.stages.ports import Progress
from distil_dag.stages.training.layer_pruning import blocks
from distil_dag.stages.training.padding_free import allow, pack
from distil_dag.stages.training.rows import TrainingRow, presentations

_WHOLE = "whole"  # file that marks a checkpoint as completely written


def native_bfloat16() -> bool:
    """Whether bfloat16 arithmetic is in hardware; a CPU that emulates it is seven times slower."""
    import torch

    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return any(bool(capabilities.get(name)) for name in ("avx512_bf16", "amx_bf16", "sve_bf16"))


def load_base(base: Path | str, revision: str | None, spec: TrainingSpec) -> Any:
    """The base model in the precision that its training needs.

    Args:
        base: folder or Hub name.
        revision: revision on the Hub.
        spec: the settings of the training.
    """
    import torch
    from transformers import AutoModelForCausalLM

    # Adapters learn beside weights that stand still, so those need no more than they are served in.
    frozen = spec.method == "lora" and torch.cuda.is_available()
    return AutoModelForCausalLM.from_pretrained(
        str(base),
        revision=revision,
        dtype=torch.bfloat16 if frozen else torch.float32,
        trust_remote_code=False,
        use_safetensors=True,
    )


def freeze(model: Any, spec: TrainingSpec) -> None:
    """Freeze what is not trained; adapters are left to the trainer."""
    if spec.method == "full" and spec.trained_layers:
        model.requires_grad_(False)
        blocks(model)[-spec.trained_layers :].requires_grad_(True)


def adapter(model: Any, spec: TrainingSpec) -> Any | None:
    """The LoRA configuration (Hu et al. 2021) on every linear layer but the output head.

    Returns:
        A `LoraConfig` of PEFT; None for full training.
    """
    if spec.method != "lora":
        return None
    import torch
    from peft import LoraConfig

    names = sorted(
        {
            name.rsplit(".", 1)[-1]
            for name, module in model.named_modules()
            if isinstance(module, torch.nn.Linear) and module is not model.get_output_embeddings()
        }
    )
    count, trained = len(blocks(model)), spec.trained_layers
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=spec.lora_rank,
        lora_alpha=2 * spec.lora_rank,
        target_modules=names,
        layers_to_transform=list(range(max(count - trained, 0), count)) if trained else None,
    )


def make_trainer(
    model: Any,
    tokenizer: Any,
    rows: Sequence[TrainingRow],
    spec: TrainingSpec,
    folder: Path,
    progress: Progress,
) -> Any:
    """An `SFTTrainer` over the rows, laid out for all passes.

    Args:
        model: the base model.
        tokenizer: the student's tokenizer.
        rows: the rows, once each.
        spec: the settings of the training.
        folder: where its checkpoints go.
        progress: called after each step.
    """
    import torch
    import trl
    from datasets import Dataset

    order = presentations([row.origin for row in rows], spec)
    columns = [row.columns() for row in rows]
    dataset = Dataset.from_list([columns[index] for index in order])
    on_cpu = not torch.cuda.is_available()
    config = trl.SFTConfig(
        output_dir=str(folder),
        use_cpu=on_cpu,
        bf16=native_bfloat16(),
        num_train_epochs=1,
        train_sampling_strategy="sequential",
        per_device_train_batch_size=spec.batch_size,
        learning_rate=spec.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=min(spec.warmup_ratio, 0.99),  # below 1, a share of all steps
        optim="adamw_torch_fused",
        weight_decay=0.0,
        max_length=spec.max_length,
        completion_only_loss=True,
        packing=False,
        activation_checkpointing=False,
        dataloader_num_workers=0,
        dataloader_pin_memory=not on_cpu,
        logging_steps=0.01,
        logging_first_step=True,
        logging_nan_inf_filter=False,  # a diverged loss shows as what it is
        save_strategy="steps",
        save_steps=spec.save_every_steps,
        save_total_limit=2,
        seed=spec.seed,
        data_seed=spec.seed,
        report_to="none",
        push_to_hub=False,
        disable_tqdm=True,
    )
    compact = on_cpu and _plain_head(model)
    kind = _compact_trainer() if compact else trl.SFTTrainer
    trainer = kind(
        model=model,
        args=config,
        train_dataset=dataset,
        processing_class=tokenizer,
        peft_config=adapter(model, spec),
        callbacks=[_reporter(progress, spec.batch_size)],
    )
    if compact and trainer.accelerator.num_processes == 1:
        trainer.without_padding = allow(model)
    # Prints every log entry to the standard output, which the progress says already.
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)
    return trainer


def newest_whole_checkpoint(folder: Path) -> Path | None:
    """The latest checkpoint that was written to its end; None when there is none."""
    found = [path for path in folder.glob("checkpoint-*") if (path / _WHOLE).exists()]
    return max(found, key=lambda path: int(path.name.rsplit("-", 1)[1]), default=None)


def _plain_head(model: Any) -> bool:
    """True when logits are the output matrix times the last hidden state, and nothing more."""
    config = model.config.get_text_config()
    scaled = ("final_logit_softcapping", "logit_scale", "logits_scaling", "lm_head_multiplier")
    return not any(getattr(config, name, None) for name in (*scaled, "output_multiplier", "num_experts"))


def _compact_trainer() -> type[Any]:
    """An SFTTrainer that computes logits only where something is supervised, and padding where it must.

    TRL computes both on a CPU. Without padding a step takes an eighth less, and without those logits a
    tenth less again (`benchmarks/training_speed.py`).
    """
    import torch
    import trl

    class CompactTrainer(trl.SFTTrainer):  # type: ignore[misc]
        without_padding = False

        def compute_loss(
            self,
            model: Any,
            inputs: dict[str, Any],
            return_outputs: bool = False,
            num_items_in_batch: Any = None,
        ) -> Any:
            if self.accelerator.num_processes > 1 or return_outputs:
                return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
            inner = self.accelerator.unwrap_model(model)
            inner = inner.get_base_model() if hasattr(inner, "get_base_model") else inner
            with self.accelerator.autocast():
                hidden, labels = self._hidden(inner.base_model, **inputs)
                targets = labels[:, 1:]
                supervised = targets != -100
                logits = inner.get_output_embeddings()(hidden[:, :-1][supervised])
            loss = torch.nn.functional.cross_entropy(logits.float(), targets[supervised], reduction="sum")
            count = supervised.sum() if num_items_in_batch is None else num_items_in_batch
            return loss / torch.as_tensor(count).clamp(min=1)

        def _hidden(self, blocks: Any, input_ids: Any, attention_mask: Any, labels: Any, **_: Any) -> Any:
            """The last hidden states, and the labels of the same places."""
            if not self.without_padding:
                found = blocks(input_ids=input_ids, attention_mask=attention_mask, use_cache=False)
                return found.last_hidden_state, labels
            batch = pack(input_ids, attention_mask)
            positions = batch.position_ids
            found = blocks(input_ids=batch.input_ids, position_ids=positions, batch=batch, use_cache=False)
            # The first token of a row is not predicted from the last one of the row before.
            return found.last_hidden_state, batch.packed(labels).masked_fill(positions == 0, -100)

    return CompactTrainer


def _reporter(progress: Progress, batch: int) -> Any:
    """A callback that reports every step to `progress`, and marks checkpoints that are whole."""
    from transformers import TrainerCallback

    class Reporter(TrainerCallback):  # type: ignore[misc]
        started = 0.0
        first = 0

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.started, self.first = time.monotonic(), state.global_step

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            losses = [entry["loss"] for entry in state.log_history if "loss" in entry]
            done = (state.global_step - self.first) * batch
            speed = done / max(time.monotonic() - self.started, 1e-9)
            note = f"loss {losses[-1]:.3f}, {speed:.1f} rows/s" if losses else f"{speed:.1f} rows/s"
            if state.is_world_process_zero:
                progress(state.global_step, state.max_steps, note)

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.is_world_process_zero:
                (Path(args.output_dir) / f"checkpoint-{state.global_step}" / _WHOLE).touch()

    return Reporter()
