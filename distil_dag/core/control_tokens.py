"""Words that a tokenizer would read as control tokens, made harmless.

A request is untrusted: one that spells `<|im_end|>` would end its own turn and open another.
Models read control tokens from the rendered prompt, so the spelling has to go before that.
"""

from __future__ import annotations

import re

# `<|name|>` (also with the full-width bars that some vocabularies use), `<name>` and `</name>`
# in lower case (`<s>`, `</s>`, `<start_of_turn>`, `<tool_call>`, `<filename>`), and `[INST]`.
# E-mail addresses in angle brackets and upper-case placeholders such as `<EMAIL_1>` stay.
_SPELLING = re.compile(r"<(?=[|\uff5c]|/?[a-z][a-z0-9_\u2581-]*>)|\[(?=/?[A-Z_]{3,}\])")
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")


def neutralise(text: str) -> str:
    """The text with a space behind the bracket of everything that spells a control token.

    Half a surrogate pair, which no tokenizer can encode, becomes U+FFFD. Doing it twice changes
    nothing more.
    """
    return _SPELLING.sub(lambda match: match[0] + " ", _LONE_SURROGATE.sub("\ufffd", text))


def escape_in_json(text: str) -> str:
    r"""JSON text that means the same and spells no control token: the bracket as `\u003c`.

    Brackets that open such a spelling occur in JSON only inside strings, where an escape may stand
    for any character.
    """
    escaped = _SPELLING.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    return _LONE_SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", escaped)
