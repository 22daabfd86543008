"""Tokens under a grammar, on a vocabulary that can be read."""

from __future__ import annotations

import pytest

from distil_dag.core.tool_call import ToolCall, render_calls
from distil_dag.core.toolset import Toolset
from distil_dag.stages.decoding.automaton import START
from distil_dag.stages.decoding.schema_grammar import answers
from distil_dag.stages.decoding.token_masks import Spelling, TokenGrammar

TOOLS = Toolset.from_openai(
    [
        {"name": name, "parameters": {"type": "object", "properties": {"room": {"type": "string"}}}}
        for name in ("light_on", "light_off")
    ]
)
WORDS = [
    '<tool_call>{"', "name", '":"', "light", "_o", "on", "off", '","', "arguments", '":', '{"', '{}', "}}",
    '"}}', "</tool_call>", "room", "kitchen", " hall", '."', "ff", "é"[:1], "",
]  # fmt: skip
PIECES = [bytes([byte]) for byte in range(256)] + [word.encode() for word in WORDS]
END = len(PIECES) - 1


def tokenise(text: str) -> list[int]:
    """The longest piece first, which is all that a tokenizer has to be here."""
    data, found = text.encode(), []
    while data:
        best = max(
            (n for n, p in enumerate(PIECES) if p and data.startswith(p)), key=lambda n: len(PIECES[n])
        )
        found.append(best)
        data = data[len(PIECES[best]) :]
    return found


@pytest.fixture(scope="module")
def grammar() -> TokenGrammar:
    return TokenGrammar(answers(TOOLS, most_calls=1, may_decline=False), Spelling(PIECES, tokenise, END))


def pieces(grammar: TokenGrammar, said: str) -> list[bytes]:
    state = START
    for token in tokenise(said):
        state = grammar.after(state, token)
    return [PIECES[token] for token in grammar.allowed(state)]


def test_a_forced_text_has_one_spelling(grammar: TokenGrammar) -> None:
    assert pieces(grammar, "") == [b'<tool_call>{"']
    assert pieces(grammar, '<tool_call>{"name') == [b'":"']
    assert pieces(grammar, '<tool_call>{"name":"light_on') == [b'","']


def test_where_the_ways_part_every_spelling_is_allowed(grammar: TokenGrammar) -> None:
    assert pieces(grammar, '<tool_call>{"name":"light_o') == [b"f", b"n", b"ff"]
    before = '<tool_call>{"name":"light_on","arguments":'
    assert pieces(grammar, before) == [b"{", b'{"', b"{}"]


def test_a_value_goes_on_or_ends_in_one_token(grammar: TokenGrammar) -> None:
    found = pieces(grammar, '<tool_call>{"name":"light_on","arguments":{"room":"kit')
    assert {b" hall", b'."', b'"}}', b'"', b"a", b"\xc3", b"kitchen"} <= set(found)
    assert not {b'","', b"\n", b"\x80", b""} & set(found)


def test_an_answer_ends_where_it_may(grammar: TokenGrammar) -> None:
    state = START
    tokens = tokenise(render_calls([ToolCall(name="light_on", arguments={"room": "é. hall."})]))
    for token in tokens:
        assert grammar.allows(state, token), PIECES[token]
        assert not grammar.allows(state, END)
        state = grammar.after(state, token)
    assert grammar.forced(state) == END


def test_all_tokens_at_once_are_each_token_by_itself(grammar: TokenGrammar) -> None:
    from distil_dag.stages.decoding.automaton import DEAD, AnswerAutomaton

    automaton = AnswerAutomaton(answers(TOOLS, most_calls=1, may_decline=False))
    for said in ('<tool_call>{"name":"light_off","arguments":{"room":"a', '<tool_call>{"name":"light_o'):
        state = automaton.step(START, said.encode())
        alone = [piece for piece in PIECES if piece and automaton.step(state, piece) != DEAD]
        assert pieces(grammar, said) == alone


def test_a_copied_value_is_whole_words_of_the_request() -> None:
    language = answers(TOOLS, 1, False, [("light_on", "room")], "the kitchen. hall")
    copied = TokenGrammar(language, Spelling(PIECES, tokenise, END))
    value = '<tool_call>{"name":"light_on","arguments":{"room":"'
    assert pieces(copied, value) == [b".", b"h", b"k", b"t", b"kitchen", b'."']
    assert pieces(copied, value + "kitchen") == [b'"', b".", b'"}}', b'."']
    assert pieces(copied, value + "kitchen.") == [b" ", b'"', b'"}}', b" hall"]
    assert b"a" in pieces(copied, value.replace("light_on", "light_off"))
