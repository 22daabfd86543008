"""The fields of a record that are ever read, besides its id and time."""

from __future__ import annotations

CONTENT = (
    "request", "response", "messages", "context", "question", "answer", "conversations", "conversation",
    "contents", "candidates", "input", "output", "inputs", "outputs", "query", "answers", "chat",
    "preferred_output", "items",
)  # fmt: skip
"""Fields that hold what was asked or answered; a source without any of them is no log."""
FIELDS = (
    *CONTENT, "system", "system_prompt", "system_instruction", "systemInstruction", "instructions",
    "instruction", "previous_response_id", "model", "latency_ms", "finish_reason", "stop_reason",
    "stopReason", "status", "incomplete_details", "error",
)  # fmt: skip
"""Everything that is ever read from a record, besides its id and time."""
CONTENT_FIELDS = frozenset(CONTENT)
