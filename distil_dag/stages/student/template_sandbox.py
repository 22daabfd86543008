"""The sandbox that chat templates are rendered in, since templates that come with models are untrusted."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, NoReturn

from jinja2 import Template, TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

# A fixed date, so that equal runs have equal prompts. It is the fallback of Llama 3's template.
_TODAY = datetime(2024, 7, 26)

# Errors of a template for a conversation that it was not written for.
REFUSALS = (TemplateError, TypeError, AttributeError, KeyError, ValueError)


def read_template(source: str) -> Template:
    """Compile a chat template in a sandbox as transformers and llama.cpp set it up.

    Its `strftime_now` always tells the same date: a prompt that changes with the day would not be the trained
    one.

    Args:
        source: the template in Jinja.

    Raises:
        ValueError: for what is no template.
    """
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, _Generation]
    )
    environment.filters["tojson"] = _to_json
    environment.globals.update(raise_exception=_refuse, strftime_now=_TODAY.strftime)
    try:
        template: Template = environment.from_string(source)
    except TemplateError as error:
        raise ValueError(f"the model's chat template can't be read: {error}") from error
    return template


class _Generation(Extension):  # type: ignore[misc]
    """`{% generation %}`, by which templates mark what an assistant says: its content, as it stands."""

    tags = {"generation"}  # noqa: RUF012 - declared so by Extension

    def parse(self, parser: Parser) -> Any:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    # Jinja's own filter escapes for HTML; models have seen plain JSON.
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _refuse(reason: str) -> NoReturn:
    raise TemplateError(reason)
