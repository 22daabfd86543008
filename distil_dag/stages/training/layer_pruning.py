"""A shallower student: the blocks of its base that change least are left out before it is trained.

Block Influence is one minus the cosine between what enters a transformer block and what leaves it (ShortGPT,
Men et al. 2024, arXiv:2403.03853): a block whose output points where its input did has done little. It is
measured on the rows that the student is trained on, and the same training makes up for the missing blocks.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from distil_dag.core.files import write_whole
from distil_dag.core.reports.training import Depth
from distil_dag.stages.training.rows import TrainingRow

# Rows on which the influence is measured, spread evenly over all of them.
SAMPLE = 64


def blocks(model: Any) -> Any:
    """The transformer blocks of a causal model, as the module list that holds them."""
    import torch

    count = model.config.get_text_config().num_hidden_layers
    return next(m for m in model.modules() if isinstance(m, torch.nn.ModuleList) and len(m) == count)


def refuse_deeper(layers: int, depth: int, base: str) -> None:
    """Refuse a student with more layers than its base.

    Args:
        layers: layers that the student shall have.
        depth: layers of the base.
        base: name of the base, for the message.

    Raises:
        ValueError: where there are too few to choose from.
    """
    if layers > depth:
        raise ValueError(
            f"student.layers is {layers}, and {base} has {depth} layers: "
            f"name fewer, or leave it out to keep them all"
        )


def make_shallower(model: Any, layers: int, rows: Sequence[TrainingRow], kept_in: Path) -> Depth:
    """Leave only the most influential blocks in a model; the first and the last always stay.

    Args:
        model: a causal model, which is changed.
        layers: number of blocks that stay.
        rows: rows of the training, on a sample of which the influence is measured.
        kept_in: a file for the choice. If it exists, the choice is read from it, so that a training that was
            killed goes on with the same blocks.

    Returns:
        Which blocks stayed, and the influence of each of the base's.

    Raises:
        ValueError: for a model with fewer blocks, or with blocks that are built according to their place.
    """
    refuse_deeper(layers, len(blocks(model)), model.config.name_or_path or "the base")
    if kept_in.exists():
        depth = Depth.model_validate_json(kept_in.read_text())
    else:
        influence = block_influence(model, rows[:: max(1, len(rows) // SAMPLE)][:SAMPLE])
        depth = Depth(kept=most_influential(influence, layers), influence=influence)
        write_whole(kept_in, depth.model_dump_json().encode())
    _keep(model, depth.kept)
    return depth


def block_influence(model: Any, rows: Sequence[TrainingRow]) -> list[float]:
    """Influence of each block, averaged over all positions of the rows.

    Returns:
        A number from 0 (changes no direction) to 2 for each block.
    """
    import torch

    if torch.cuda.is_available():
        model.to(torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))))
    measured = blocks(model)
    sums, positions = [0.0] * len(measured), 0

    def hook(place: int) -> Any:
        def hook(_: Any, args: Any, kwargs: Any, output: Any) -> None:
            entering = args[0] if args else kwargs["hidden_states"]
            leaving = output[0] if isinstance(output, tuple) else output
            alike = torch.nn.functional.cosine_similarity(entering.float(), leaving.float(), dim=-1)
            sums[place] += float((1 - alike).sum())

        return hook

    hooks = [
        block.register_forward_hook(hook(place), with_kwargs=True) for place, block in enumerate(measured)
    ]
    try:
        with torch.no_grad():
            for row in rows:
                ids = torch.tensor([[*row.prompt, *row.completion]], device=model.device)
                model.base_model(input_ids=ids, use_cache=False)
                positions += ids.numel()
    finally:
        for handle in hooks:
            handle.remove()
    return [round(total / positions, 6) for total in sums]


def most_influential(influence: Sequence[float], count: int) -> list[int]:
    """Choose blocks by their influence.

    Args:
        influence: of each block.
        count: number of blocks to choose.

    Returns:
        Places of the first and the last block and of the most influential others, in ascending order.
    """
    last = len(influence) - 1
    between = sorted(range(1, last), key=lambda place: (-influence[place], place))
    return sorted({0, last, *between[: max(0, count - 2)]})


def _keep(model: Any, kept: Sequence[int]) -> None:
    """Drop all other blocks; configuration and numbering of those that stay are adapted."""
    config, staying = model.config.get_text_config(), blocks(model)
    depth = len(staying)
    for name, value in config.to_dict().items():
        # A list of one entry a layer, such as `layer_types`.
        if "layer" in name and isinstance(value, list) and len(value) == depth:
            setattr(config, name, [getattr(config, name)[place] for place in kept])
    config.num_hidden_layers = len(kept)
    for place in sorted(set(range(depth)) - set(kept), reverse=True):
        del staying[place]
    for place, block in enumerate(staying):
        for module in block.modules():
            if hasattr(module, "layer_idx"):
                module.layer_idx = place  # where it finds its part of the cache
    _refuse_another_shape(model)


def _refuse_another_shape(model: Any) -> None:
    """Refuse a model unless its configuration alone builds the same modules again."""
    import torch

    with torch.device("meta"):
        again = type(model)(copy.deepcopy(model.config))
    ours, theirs = ({name: w.shape for name, w in m.state_dict().items()} for m in (model, again))
    if ours != theirs:
        different = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
        raise ValueError(
            f"student.layers: the blocks of a {model.config.model_type} model differ by their place "
            f"({different[0]}), so none can be left out; leave student.layers out, or take another base"
        )
