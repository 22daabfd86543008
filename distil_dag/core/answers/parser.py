"""The one parser of answers: logs, teachers, base models, students and files of cases are read by it."""

from __future__ import annotations

import json
import re

from distil_dag.core.answers import harmony, json_text, marks, net, pythonic, react, thoughts, xml_functions
from distil_dag.core.answers.form import NotReadable, Reader
from distil_dag.core.tool_call import Answer
from distil_dag.core.toolset import Toolset

# The first that knows the text reads it. What is set off by marks comes before what only looks like a call.
_READERS: tuple[Reader, ...] = (
    marks.read,
    harmony.read,
    xml_functions.read,
    react.read,
    json_text.read,
    pythonic.read,
)
# Without one of these signs a text holds no call in any form.
_SIGNED = re.compile(r"[<\[{(=:]|\Aanalysis")
LONGEST, TOO_LONG = 2**18, "an answer too long to be read"
"""Characters of one answer. A longer one is not read, so that no text costs more than a second."""


def parse_answer(text: str, tools: Toolset | None = None) -> Answer:
    """Read the tool calls out of a model's raw text, in any form that a model family writes.

    Args:
        text: what a model said; its thoughts come off first.
        tools: the known tools. Their schemas type values that are written without quotes, and their names
            tell a call in an unknown form from words.

    Returns:
        The answer. Text without any call is an answer without calls; a call that can't be read is an answer
        with an error and the name of its form.
    """
    said = text
    if len(text) > LONGEST:
        return Answer(error=f"{TOO_LONG}: {len(text)} characters", form=TOO_LONG)
    try:
        said = thoughts.without_thoughts(text)
        for read in _READERS if _SIGNED.search(said) else ():
            found = read(said, tools)
            if found is not None:
                for call in found.calls:
                    json.dumps(call.arguments, allow_nan=False)  # neither NaN nor infinity
                calls = tuple(map(tools.as_defined, found.calls)) if tools else found.calls
                return Answer(calls=calls, text=found.words)
    except NotReadable as error:
        return Answer(text=said, error=str(error), form=error.form)
    except (ValueError, RecursionError):
        return Answer(text=said, error="its arguments hold what JSON does not have", form=net.FORM)
    if shape := net.call_shape(said, tools):
        return Answer(text=said, error=f"{net.FORM}: {shape!r}", form=net.FORM)
    return Answer(text=said)
