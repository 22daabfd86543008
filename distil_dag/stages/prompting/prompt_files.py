"""What models are asked: each prompt is a file of `prompts/`, and its hash names its version.

The rendered text is part of every call's key in the cache, so a changed file asks anew. The hashes stand in
the code version of the assets that use it, in their metadata and in the lineage.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Any, Literal

PromptName = Literal[
    "call_first",
    "few_shot_teacher",
    "likelihood_judge",
    "relabelling",
    "rubric_judge",
    "tools_in_prompt",
    "widening",
]

_DIGITS = 12


def render(name: PromptName, /, **values: Any) -> str:
    """The prompt with its values in place.

    Args:
        name: the prompt.
        **values: a value for each name in its template.

    Raises:
        jinja2.UndefinedError: for a value that is missing.
    """
    return str(_template(name).render(**values))


def digests(*names: PromptName) -> dict[str, str]:
    """The versions of prompts.

    Returns:
        Prompt -> the first 12 hex digits of the sha256 of its file, sorted by name.
    """
    return {name: hashlib.sha256(_source(name).encode()).hexdigest()[:_DIGITS] for name in sorted(names)}


def code_version(version: str, *names: PromptName) -> str:
    """The code version of an asset that asks by prompts.

    Args:
        version: the version of the asset's code.
        *names: the prompts.
    """
    both = hashlib.sha256(repr(digests(*names)).encode()).hexdigest()
    return f"{version}+prompts.{both[:_DIGITS]}"


@cache
def _source(name: PromptName) -> str:
    return (files("distil_dag.stages.prompting") / "prompts" / f"{name}.jinja").read_text(encoding="utf-8")


@cache
def _template(name: PromptName) -> Any:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    environment = SandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_source(name))
