"""How the real assets fail: at once and with the reason first, unless a further try may help."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from distil_dag.assets.checkpoint import checkpoint
from distil_dag.assets.eval_report import eval_report
from distil_dag.assets.gguf import gguf
from distil_dag.assets.judged_seeds import judged_seeds
from distil_dag.assets.synthetic_set import synthetic_set
from distil_dag.resources.failures import reasoned
from distil_dag.resources.models import ModelsResource
from distil_dag.resources.store import StoreResource
from distil_dag.resources.trainer import TrainerResource
from distil_dag_tests.adapters.openai_api.faulty_server import Server
from distil_dag_tests.runs.paid_models import RUN, SERVED, SYNTHESIS, Place, with_seeds


def outcome(result: dg.ExecuteInProcessResult) -> tuple[str, int]:
    """The description of the failure, and how many tries came after the first."""
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    again = [event for event in result.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"]
    told = failure.step_failure_data.user_failure_data
    assert told is not None
    return told.description or "", len(again)


def materialize(asset: dg.AssetsDefinition, instance: dg.DagsterInstance, folder: Path) -> tuple[str, int]:
    instance.add_dynamic_partitions("distil_runs", [RUN])
    resources = {
        "store": StoreResource(root=str(folder / "store")),
        "models": ModelsResource(cache_root=str(folder / "cache")),
        "trainer": TrainerResource(work_root=str(folder / "work")),
    }
    return outcome(
        dg.materialize(
            [asset], instance=instance, partition_key=RUN, resources=resources, raise_on_error=False
        )
    )


@pytest.mark.parametrize("asset", [judged_seeds, synthetic_set, checkpoint, gguf, eval_report])
def test_without_traces_it_names_them_at_once(
    asset: dg.AssetsDefinition, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    said, again = materialize(asset, instance, tmp_path)
    assert said.startswith(f"materialize `traces` of partition {RUN!r} first: ")
    assert again == 0


@pytest.mark.parametrize(
    ("asset", "missing"),
    [(judged_seeds, "traces"), (synthetic_set, "judged_seeds"), (checkpoint, "synthetic_set"),
     (gguf, "judged_seeds"), (eval_report, "judged_seeds")],
)  # fmt: skip
def test_the_nearest_missing_asset_is_named(
    place: Place, asset: dg.AssetsDefinition, missing: str, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    with_seeds(place, "home").freeze()
    (tmp_path / "home" / "store" / RUN / "judged_seeds").rename(tmp_path / "away")
    said, again = materialize(asset, instance, tmp_path / "home")
    assert said.startswith(f"materialize `{missing}` of partition {RUN!r} first: ")
    assert again == 0


@pytest.fixture
def server() -> Iterator[Server]:
    started = Server(lambda *_: (404, {"error": {"message": "the model paid does not exist"}}))
    yield started
    started.stop()


def test_a_wrong_model_name_ends_the_step_at_once(
    place: Place, server: Any, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    with_seeds(place, "home").freeze(teacher={**SERVED, "base_url": server.url}, **SYNTHESIS)
    said, again = materialize(synthetic_set, instance, tmp_path / "home")
    assert said.startswith("the model paid can't be reached. Last answer: ")
    assert "the model paid does not exist" in said
    assert again == 0


def test_what_may_pass_is_tried_again_and_the_last_try_says_why(instance: dg.DagsterInstance) -> None:
    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=2, delay=0))
    @reasoned
    def calls(context: dg.AssetExecutionContext) -> None:
        raise ConnectionRefusedError("127.0.0.1:8000 refuses")

    result = dg.materialize([calls], instance=instance, raise_on_error=False)
    assert outcome(result) == ("ConnectionRefusedError: 127.0.0.1:8000 refuses (tried 3 times)", 2)
