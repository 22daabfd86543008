"""How an error ends a step: at once or after further tries, and with its reason as the first words."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Concatenate, ParamSpec, TypeVar

import dagster as dg

from distil_dag.runs.errors import may_pass, reason

Given = ParamSpec("Given")
Result = TypeVar("Result")
Context = dg.AssetExecutionContext | dg.AssetCheckExecutionContext


@contextmanager
def reasons(context: Context, retry: dg.RetryPolicy | None = None) -> Iterator[None]:
    """Raise an error of a `with` block as Dagster is to treat it.

    An error that may pass is tried again by the policy. Any other ends the step at once. So does that of the
    last try, because Dagster would put "Exceeded max_retries" before the reason.

    Args:
        context: The step.
        retry: When to try again; the step's own policy by default.

    Raises:
        dg.Failure: The step is not tried again; the description begins with the reason.
        dg.RetryRequested: The step is tried again.
    """
    step = context.op_execution_context
    policy = retry or step.op_def.retry_policy
    left = policy is not None and step.retry_number < policy.max_retries
    try:
        yield
    except dg.Failure as decided:
        decided.allow_retries = decided.allow_retries and left
        raise
    except Exception as error:
        if policy is not None and left and may_pass(error):
            raise dg.RetryRequested(
                policy.max_retries, policy.calculate_delay(step.retry_number + 1)
            ) from error
        tries = f" (tried {step.retry_number + 1} times)" if step.retry_number else ""
        raise dg.Failure(description=f"{reason(error)}{tries}", allow_retries=False) from error


def reasoned(
    compute: Callable[Concatenate[dg.AssetExecutionContext, Given], Result],
) -> Callable[Concatenate[dg.AssetExecutionContext, Given], Result]:
    """Decorate the function of an asset: its errors are raised as :func:`reasons` does."""

    @functools.wraps(compute)
    def step(context: dg.AssetExecutionContext, /, *args: Given.args, **named: Given.kwargs) -> Result:
        with reasons(context):
            return compute(context, *args, **named)

    return step
