"""What was forgotten, where it was, and what is left to do."""

from __future__ import annotations

from pydantic import Field

from distil_dag.core.reports.base import Report


class AffectedRun(Report):
    """A run that a forgotten trace has touched.

    Attributes:
        run: key of the run.
        rows: table -> rows of it that went.
        roles: what the trace was there, such as `learned from`.
        files: paths of the models, below the store.
        retrain: whether the model has learned from it and should be trained again.
        advice: what to do, as a sentence.
    """

    run: str
    rows: dict[str, int] = Field(default_factory=dict)
    roles: list[str] = Field(default_factory=list)
    files: list[str] = Field(default_factory=list)
    retrain: bool = False
    advice: str = ""


class ForgetRecord(Report):
    """A request to forget, and what was done. It holds neither words nor ids of what was forgotten.

    Attributes:
        request: id of the request.
        begun: when it was begun, UTC.
        finished: when all was deleted, UTC; empty while it is under way, or was ended before.
        asked_by: who asked, in the words of the command line.
        reason: why, in the same.
        by: how traces were named: `ids`, or the fields of `--where` without their values.
        traces: number of traces, with those that go on from them.
        derived: number of synthetic rows that were made from them.
        unreadable: number of records that could not be read.
        exchanges: number of exchanges of servers.
        hashes: keyed hashes of the ids, by which a further request for one of them is recognised.
        runs: the runs that they have touched.
        removed: place -> rows, lines or texts that went there.
        models_deleted: paths of the models that were deleted as well.
        logs: logs outside of this installation that still hold the records, in words.
        unsearched: what was not searched, and why.
        notes: limits of what was done, as sentences.
        verified: when a search found none of it, UTC; empty before.
    """

    request: str
    begun: str
    finished: str = ""
    asked_by: str = ""
    reason: str = ""
    by: list[str] = Field(default_factory=list)
    traces: int = 0
    derived: int = 0
    unreadable: int = 0
    exchanges: int = 0
    hashes: list[str] = Field(default_factory=list)
    runs: list[AffectedRun] = Field(default_factory=list)
    removed: dict[str, int] = Field(default_factory=dict)
    models_deleted: list[str] = Field(default_factory=list)
    logs: list[str] = Field(default_factory=list)
    unsearched: list[str] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
    verified: str = ""


class ForgottenMark(Report):
    """What a run says of itself once traces that it had read were forgotten.

    Attributes:
        requests: id of each request -> what was forgotten of this run.
    """

    requests: dict[str, AffectedRun] = Field(default_factory=dict)

    @property
    def retrain(self) -> bool:
        """Whether the model has learned from a forgotten trace."""
        return any(found.retrain for found in self.requests.values())
