#!/usr/bin/env bash
# mcp 2.3.0 (the Python SDK of the Model Context Protocol): a text that is JSON is not passed on as text.
#
# Expected: an argument that its tool's published schema takes as a string reaches the function as that
# string.
# Seen: where the annotation is anything but plain `str`, a string is first read as JSON. For `text: str |
# None` the word "null" arrives as None, and '[1, 2]' or '{"a": 1}' is refused as no string. For
# `Literal["null", "on"]` the value "null" of the schema's own enum is refused. For `str` alone all is well.
# Why it matters: such a tool works until a user notes down a piece of JSON or the word null. The model's
# call is valid under the schema that it was shown, yet it is told that it was wrong, and so says the log.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet mcp==2.3.0 jsonschema==4.26.0 pydantic==2.14.4
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import logging
from importlib.metadata import version
from typing import Literal

from jsonschema import Draft202012Validator
from mcp import Client
from mcp.server.mcpserver import MCPServer

print("mcp", version("mcp"))
logging.disable(logging.CRITICAL)
server = MCPServer("notes")


@server.tool()
def plain(text: str) -> str:
    """Notes a text."""
    return repr(text)


@server.tool()
def optional(text: str | None = None) -> str:
    """Notes a text, if there is one."""
    return repr(text)


@server.tool()
def choice(text: Literal["null", "on"]) -> str:
    """Notes a word."""
    return repr(text)


async def main():
    seen = {}
    async with Client(server) as client:
        schemas = {tool.name: tool.input_schema for tool in (await client.list_tools()).tools}
        for name, texts in {
            "plain": ["null", '{"a": 1}'],
            "optional": ["hello", "null", "[1, 2]", '{"a": 1}'],
            "choice": ["on", "null"],
        }.items():
            for text in texts:
                assert Draft202012Validator(schemas[name]).is_valid({"text": text})
                result = await client.call_tool(name, {"text": text})
                said = result.content[0].text
                seen[name, text] = "refused" if result.is_error else said
                print(f"{name}(text={text!r}), valid under its schema: {said.splitlines()[0]}")
    return seen


seen = asyncio.run(main())
assert seen["plain", "null"] == "'null'" and seen["plain", '{"a": 1}'] == repr('{"a": 1}')
assert seen["optional", "hello"] == "'hello'" and seen["optional", "null"] == "None"
assert seen["optional", "[1, 2]"] == seen["optional", '{"a": 1}'] == "refused"
assert seen["choice", "on"] == "'on'" and seen["choice", "null"] == "refused"
PYTHON
