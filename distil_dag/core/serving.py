"""The section `serving` of `task.yaml`: how `distil-dag serve` answers beside the big model."""

from __future__ import annotations

from pydantic import Field

from distil_dag.core.settings import Count, ModelSpec, Positive, Section


class LimitSpec(Section):
    """What clients may ask for; of several tasks in one process the strictest counts."""

    body_bytes: Positive = Field(default=4 * 2**20, description="of one request; 413 beyond it")
    in_flight: Positive = Field(default=256, description="requests at a time; 429 beyond it")
    requests_per_minute: Positive | None = Field(
        default=None, description="for each token, or address without tokens; 429 beyond it"
    )
    tokens_per_minute: Positive | None = Field(
        default=None, description="of prompts and answers together, counted in the same way"
    )
    slow_seconds: float = Field(
        default=30.0, gt=0, description="for a client to send its request, and to take each part of an answer"
    )


class ServingSettings(Section):
    """How `distil-dag serve` answers with this task's student beside its teacher."""

    teacher: ModelSpec | None = Field(
        default=None,
        description="the service that answers what the student does not; `teacher` if unset and attached",
    )
    target_precision: float = Field(
        default=0.98, gt=0, lt=1, description="share of the student's own answers that agree with the teacher"
    )
    confidence: float = Field(default=0.95, gt=0, lt=1, description="with which that is proved")
    audit: float = Field(
        default=0.02,
        gt=0,
        le=1,
        description="share of the student's own answers for which the teacher is asked as well",
    )
    redact: bool = Field(
        default=True, description="replace personal data before an exchange is written to the log"
    )
    alone_without_teacher: bool = Field(
        default=False, description="let the student answer while the teacher is down, instead of 503"
    )
    forward_authorization: bool = Field(
        default=False, description="give the teacher the client's authorization instead of `api_key_env`'s"
    )
    max_tokens: Positive = Field(default=256, description="longest answer of the student")
    context: Positive = Field(default=2048, description="longest request of it with the answer, in tokens")
    queue: Count = Field(
        default=32, description="requests that wait for the student at most; others are the teacher's"
    )
    reload_seconds: float = Field(
        default=5.0, gt=0, description="between two looks whether there is a better student"
    )
    limits: LimitSpec = Field(default=LimitSpec(), description="what clients may ask for")


def strictest(limits: list[LimitSpec]) -> LimitSpec:
    """The limits of a process that serves several tasks: the smallest of each.

    Args:
        limits: those of each task, one at least.
    """
    found = {}
    for name in LimitSpec.model_fields:
        values = [value for one in limits if (value := getattr(one, name)) is not None]
        found[name] = min(values, default=None)
    return LimitSpec.model_validate(found)
