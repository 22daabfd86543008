"""Spellings that a tokenizer would read as control tokens, made harmless.

A request is untrusted: one that spells `<|im_end|>` would end its own turn and open another. Models read
control tokens from the rendered prompt, so the spelling has to go before rendering.
"""

from __future__ import annotations

import re

# `<|name|>` (also with the full-width bars that some vocabularies use), `<name>` and `</name>`
# in lower case (`<s>`, `</s>`, `<start_of_turn>`, `<tool_call>`, `<filename>`), and `[INST]`.
# E-mail addresses in angle brackets and upper-case placeholders such as `<EMAIL_1>` stay.
_SPELLING = re.compile(r"<(?=[|\uff5c]|/?[a-z][a-z0-9_\u2581-]*>)|\[(?=/?[A-Z_]{3,}\])")
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")


def neutralise(text: str) -> str:
    """Text with a space behind the bracket of everything that spells a control token.

    Half a surrogate pair, which no tokenizer can encode, becomes U+FFFD. Applying the function twice changes
    nothing more.
    """
    return _SPELLING.sub(lambda match: match[0] + " ", _LONE_SURROGATE.sub("\ufffd", text))


def escape_in_json(text: str) -> str:
    r"""Escape JSON text so that it means the same and spells no control token.

    The bracket becomes `\u003c` and the like. Brackets that open such a spelling occur in JSON only inside
    strings, where an escape may stand for any character.
    """
    escaped = _SPELLING.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    return _LONE_SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", escaped)
