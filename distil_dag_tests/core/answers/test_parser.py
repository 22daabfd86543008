"""What is a call, what is words, and what is set aside by the name of its form."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from distil_dag.core.answers import net
from distil_dag.core.answers.parser import TOO_LONG, parse_answer
from distil_dag.core.tool_call import ToolCall
from distil_dag.core.toolset import Toolset

CASES = Path(__file__).parents[2] / "public_cases"
TOOLS = Toolset.from_openai(json.loads((CASES / "tools.json").read_text())["tools"])


@pytest.mark.parametrize(
    "text",
    [
        "You can call `water_bed(bed, minutes)` to water.",
        "`list_beds()` names all beds, water_bed waters one.",
        "set_heater(level) sets the heater. track_order(order_id) finds an order.",
        "- water_bed(bed, minutes): waters\n- list_beds(): lists",
        "I used list_beds: there are three beds (rose, herb, tulip).",
        "```python\nfor x in range(3):\n    plant(x=x)\n```",
        '{"temperature": 21, "city": "Paris"}',
        'The weather:\n```json\n{"city": "Paris", "temp": 3}\n```',
        '{"name": "Anna", "age": 3}',
        '[{"title": "a", "score": 1}, {"title": "b", "score": 2}]',
        "[1] Smith et al. say so. [2] So do others.",
        "{name}, welcome!",
        "Action: none needed, it rains.",
        "Dear all,\nname: Bob\ntool: hammer",
        "The <think> tag marks thoughts.",
        "<p>Use <b>water</b></p>",
        'The water_bed query = "rose" gave nothing.',
        "water_bed needs the bed and, if you like, the minutes.",
        '"It rains."',
    ],
)
def test_words_code_and_data_stay_words(text: str) -> None:
    answer = parse_answer(text, TOOLS)
    assert (answer.calls, answer.error, answer.text) == ((), None, text)


@pytest.mark.parametrize(
    "text",
    [
        "I'll do it: water_bed(bed='rose', minutes=7).",
        'water_bed\n{"bed": "rose", "minutes": 7}',
        "<water_bed><bed>rose</bed></water_bed>",
        "tool: water_bed\nbed: rose",
        "water_bed --bed rose",
        '{"water_bed": {"bed": "rose"}}',
        '{"bed": "rose", "minutes": 7}',
        'commentary to=functions.water_bed json{"bed":"rose"}',
        'function_call { name: "water_bed" }',
        '{"steps": [{"name": "water_bed", "arguments": {"bed": "rose"}}]}',
        "<|tool\u2581fast|>water_bed",
        '<tool>water_bed</tool>\n<args>{"bed": "rose"}</args>',
        "<tool>list_beds</tool>",
        '<use_tool>\n<tool_name>water_bed</tool_name>\n<arguments>{"bed": "rose"}</arguments>\n</use_tool>',
        '{"type": "water_bed", "bed": "rose"}',
        '{"intent": "list_beds"}',
        '[water_bed]\nbed = "rose"',
        '\u273fFUNCTION\u273f: water_bed\n\u273fARGS\u273f: {"bed": "rose"}',
        '<|from|>assistant\n<|recipient|>water_bed\n<|content|>{"bed": "rose"}',
        'water_bed\n```python\ntool_call(bed="rose", minutes=7)\n```',
        '[water_bed (bed="rose", minutes=7)]',
        "{\u201cname\u201d: \u201cwater_bed\u201d, \u201cargs\u201d: {\u201cbed\u201d: 1}}",
        "{&quot;name&quot;: &quot;water_bed&quot;, &quot;args&quot;: {&quot;bed&quot;: 1}}",
        '| tool | arguments |\n|---|---|\n| water_bed | {"bed": "rose"} |',
    ],
)
def test_what_only_looks_like_a_call_is_never_no_call(text: str) -> None:
    answer = parse_answer(text, TOOLS)
    assert (answer.calls, answer.form) == ((), net.FORM)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ('<tool_call>{"name": "water_bed", "argu', "Hermes"),
        ('[TOOL_CALLS]water_bed[ARGS]{"bed": ', "Mistral"),
        ('<|tool_call|>[{"name": "water_bed"', "Granite or Phi-4"),
        ("<|tool_call_start|>[water_bed(bed=<|tool_call_end|>", "LFM2"),
        ("<function=water_bed>\n<parameter=bed>\nro", "function tags"),
        ('{"name": "water_bed", "bed": "rose"}', "JSON"),
        ('{"arguments": {"bed": "rose"}}', "JSON"),
        ('water_bed("rose", 7)', "Python"),
        ("FunctionCall(id='x', args={'bed': <Bed.ROSE: 1>}, name='water_bed')", "a printed SDK object"),
        ("Action: water_bed\nAction Input: the rose bed", "ReAct"),
        ("<|channel|>commentary to=functions.water_bed <|constrain|>json", "harmony"),
        ("<think>\nThe user wants", "thoughts"),
        ("prune_hedge(height=3)", "Python"),
        ("[TextBlock(citations=None, text='It rains.', type='text')]", "a printed SDK object"),
        ('{"name": "water_bed", "arguments": {"bed": "rose", "minutes": NaN}}', net.FORM),
        ("<tool_call>{'name': 'water_bed', 'arguments': {'minutes': 1e999}}</tool_call>", net.FORM),
        (
            '<tool_call>\n{"name": "water_bed", "arguments": {"bed": "rose"}, "when": "now"}\n</tool_call>',
            "Hermes",
        ),
    ],
)
def test_a_broken_call_is_set_aside_by_the_name_of_its_form(text: str, form: str) -> None:
    answer = parse_answer(text, TOOLS)
    assert (answer.calls, answer.form) == ((), form)
    assert answer.error


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<think>water_bed(bed='rose')?</think>It rains.", "It rains."),
        ("so no water_bed(bed='rose').\n</think>\n\nIt rains.", "It rains."),
        ("<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>It rains.",
         "It rains."),
        ("[THINK]hm[/THINK]It rains.</s>", "It rains."),
        ("<|START_THINKING|>hm<|END_THINKING|><|START_RESPONSE|>It rains.<|END_RESPONSE|>", "It rains."),
        ("Thought: hm\nFinal Answer: It rains.", "It rains."),
        ("analysisThe user asks.assistantfinalIt rains.", "It rains."),
        ("<seed:think>hm</seed:think>It rains.", "It rains."),
        ("<THINK>hm</THINK>It rains.", "It rains."),
        ('<think type="short">hm</think>It rains.', "It rains."),
        ("<analysis>hm</analysis><output>It rains.</output>", "It rains."),
        ('<details type="reasoning">\n<summary>Thought</summary>\nhm</details>\nIt rains.', "It rains."),
        ("<|inner_prefix|>hm<|inner_suffix|>It rains.", "It rains."),
        ("My reasoning steps:\nhm\n[BEGIN FINAL RESPONSE]\nIt rains.\n[END FINAL RESPONSE]", "It rains."),
        ("<|im_start|>assistant\n<think>hm</think>It rains.<|im_end|>", "It rains."),
        ("<|start_header_id|>assistant<|end_header_id|>\n\nIt rains.<|eot_id|>", "It rains."),
        ("<start_of_turn>model\nIt rains.<end_of_turn>", "It rains."),
        ("<|assistant|>\nIt rains.<|end|>", "It rains."),
        ("Here is my thought process: hm Here is my response: It rains.", "It rains."),
    ],
)  # fmt: skip
def test_thoughts_are_never_the_answer(text: str, words: str) -> None:
    answer = parse_answer(text, TOOLS)
    assert (answer.calls, answer.error, answer.text) == ((), None, words)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps('{"name": "water_bed", "arguments": {"bed": "rose"}}'),
        '{"name": "functions.water_bed", "arguments": {"bed": "rose"}}',
        '{"tool_uses": [{"recipient_name": "functions.water_bed", "parameters": {"bed": "rose"}}]}',
        "[TextBlock(text='On it.', type='text'), "
        "ToolUseBlock(id='t', input={'bed': 'rose'}, name='water_bed', type='tool_use')]",
    ],
)
def test_forms_around_a_call_are_no_part_of_it(text: str) -> None:
    assert parse_answer(text, TOOLS).calls == (ToolCall(name="water_bed", arguments={"bed": "rose"}),)


def test_values_without_quotes_are_typed_by_the_schema() -> None:
    values = "<parameter=order_id>42</parameter><parameter=reference>42</parameter>"
    assert parse_answer(f"<function=track_order>{values}</function>", TOOLS).calls == (
        ToolCall(name="track_order", arguments={"order_id": 42, "reference": "42"}),
    )


@pytest.mark.parametrize(
    "unit",
    ["{", "[", '{"a":', '[{"a":', "<tool_call>", "<function=f>", "<parameter=a>", "<think>",
     "<think></think>",
     "water_bed(bed=", "[water_bed(bed=1),", "water_bed(bed=1)\n", "[TOOL_CALLS]water_bed[ARGS]{}",
     "<start_function_call>call:f{a:<escape>", "Action: f\nAction Input: {}\n", "<|message|>", "```",
     "<invoke name=", "<a>1</a>", "water_bed ("],
)  # fmt: skip
def test_no_text_is_read_for_long(unit: str) -> None:
    began = time.process_time()
    parse_answer(unit * (2**18 // len(unit)), TOOLS)
    assert time.process_time() - began < 2
    assert parse_answer(unit * (2**18 + 1), TOOLS).form == TOO_LONG
