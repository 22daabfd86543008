"""What a model was made from: the facts that stand in its file, its card and its report."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from distil_dag.core.reports.base import Report


class Setting(Report):
    """One setting of the task as the run had it.

    Attributes:
        name: its path in `task.yaml`, such as `training.epochs`.
        value: its value, without secrets and without the folders of a machine.
        changed: whether it differs from the default.
    """

    name: str
    value: Any
    changed: bool


class Provenance(Report):
    """What made a model. It says nothing of how good the model is, since a file is written before its test.

    Attributes:
        run: key of the run.
        task: name of the task.
        tools: content hash of the tools.
    """

    run: str
    task: str
    tools: str
    continues: str = Field(default="", description="key of the run whose student training started from")
    base: str = Field(description="the weights that training started from, by revision or content hash")
    teacher: str = Field(description="who wrote the synthetic rows, by revision, content hash or server")
    judge: str = Field(default="", description="who judged the log")
    log: str = Field(description="kind and name of the log, in words")
    window: str = Field(description="the part of the log that was read, in words")
    rows: dict[str, dict[str, int]] = Field(
        default_factory=dict, description="stage -> what became of rows there -> how many, all in order"
    )
    method: str = Field(default="", description="how it was trained, in words; empty before training")
    trained: str = Field(default="", description="when training ended, UTC; empty where it was not noted")
    environment: dict[str, str] = Field(
        default_factory=dict, description="of the training: `python`, `processor`, `packages`, ..."
    )
    settings: list[Setting] = Field(default_factory=list, description="all of them, defaults included")
    licence: str = Field(default="", description="of the base, as a Hub identifier, where it is known")
