"""What a model only thought, taken off before its answer is read."""

from __future__ import annotations

import re
from collections.abc import Sequence

from distil_dag.core.answers import harmony
from distil_dag.core.answers.form import NotReadable, outside

FORM = "thoughts"
_NAMES = (
    "think", "thinking", "thought", "thoughts", "reasoning", "reflection", "scratchpad", "scratch_pad",
    "seed:think", "mm:think", "inner_monologue", "analysis",
)  # fmt: skip
_TAGS = re.compile(
    rf"<(?P<opens>(?:{'|'.join(_NAMES)})(?::\w{{1,20}})?)(?:\s[^<>]{{0,200}})?>|</(?P<closes>(?:{'|'.join(_NAMES)})(?::\w{{1,20}})?)>"
    r"|(?P<token>\[THINK\]|<\|START_THINKING\|>|<\|begin_of_thought\|>|<\|channel>thought|\u25c1think\u25b7"
    r"|<\|inner_prefix\|>|<details type=\"reasoning\"[^<>]{0,200}>)"
    r"|(?P<token_end>\[/THINK\]|<\|END_THINKING\|>|<\|end_of_thought\|>|<channel\|>|\u25c1/think\u25b7"
    r"|<\|inner_suffix\|>|(?P<details></details>))",
    re.IGNORECASE,
)
_SIGN = re.compile(
    r"think|thought|reasoning|reflection|scratch|monologue|analysis>|<channel\|>|<\|inner_", re.IGNORECASE
)
# Marks around the answer itself.
_ANSWER = re.compile(
    r"\A\s{0,99}(?:<(?:answer|response|output|final_answer)>|<\|(?:START_RESPONSE|START_TEXT|begin_of_solution)\|>)"
    r"|(?:</(?:answer|response|output|final_answer)>|<\|(?:END_RESPONSE|END_TEXT|end_of_solution)\|>)\s{0,99}\Z"
)
_ANSWER_SIGNS = ("answer>", "response>", "output>", "_RESPONSE|>", "_TEXT|>", "_of_solution|>")
_GRANITE = ("Here is my thought process:", "Here is my response:")
# Apriel thinks without any mark before this one.
_FINAL, _FINAL_END = "[BEGIN FINAL RESPONSE]", "[END FINAL RESPONSE]"
# What a template writes before an assistant's turn.
_HEADER = re.compile(
    r"(?:<s>|<bos>|<\|begin_of_text\|>)?\s{0,9}(?:<\|im_start\|>assistant"
    r"|<\|(?:start_header_id|header_start)\|>assistant<\|(?:end_header_id|header_end)\|>"
    r"|<\|start_of_role\|>assistant<\|end_of_role\|>|<start_of_turn>model|<\|turn>model|<\|?assistant\|>"
    r"|<\uff5cAssistant\uff5c>|\[\|assistant\|\]|<\|START_OF_TURN_TOKEN\|><\|CHATBOT_TOKEN\|>)\s*"
)
_ENDS = (
    "<|im_end|>", "<|eot_id|>", "<|eom_id|>", "</s>", "<|endoftext|>", "<|end_of_text|>", "<end_of_turn>",
    "<\uff5cend\u2581of\u2581sentence\uff5c>", "<eos>", "<|END_OF_TURN_TOKEN|>", "<turn|>", "[EOS]",
    "<|eot|>", "<|end|>", "[|endofturn|]", "<|observation|>",
)  # fmt: skip


def without_thoughts(text: str) -> str:
    """The text of an answer without thoughts, without marks around it, and without tokens that end a turn.

    Args:
        text: what a model said. A closing tag alone ends thoughts that began in the prompt.

    Raises:
        NotReadable: thoughts begin the text or a line and never end.
    """
    text = text.strip()
    while text.endswith(_ENDS):
        text = text[: -len(next(end for end in _ENDS if text.endswith(end)))].rstrip()
    if header := _HEADER.match(text):
        text = text[header.end() :]
    if _SIGN.search(text):
        text = _without_tagged(text)
    if any(sign in text for sign in _ANSWER_SIGNS):
        text = _ANSWER.sub("", text).strip()
    if _FINAL in text:
        text = text.rpartition(_FINAL)[2].strip().removesuffix(_FINAL_END).rstrip()
    if text.startswith(_GRANITE[0]):
        _, found, rest = text.partition(_GRANITE[1])
        if not found:
            raise NotReadable(FORM, "no answer behind them")
        text = rest.strip()
    return text


def final_words(text: str) -> str:
    """The words of an answer that is to be read as words: without thoughts, and without harmony's channels.

    Args:
        text: what a model said.

    Raises:
        NotReadable: it holds thoughts and no answer, or a call.
    """
    said = without_thoughts(text)
    found = harmony.read(said, None)
    if found is None:
        return said
    if found.calls:
        raise NotReadable(harmony.FORM, "a call in place of words")
    return found.words


def before_stop(text: str, stop: Sequence[str]) -> str:
    """An answer up to the first of its stop strings, for a model that must not stop at them in its thoughts.

    Args:
        text: the answer without thoughts.
        stop: the stop strings.
    """
    found = [text.find(one) for one in stop if one]
    return text[: min((at for at in found if at >= 0), default=len(text))]


def _without_tagged(text: str) -> str:
    spans: list[tuple[int, int]] = []
    opened: re.Match[str] | None = None
    for tag in _TAGS.finditer(text):
        if tag["opens"] or tag["token"]:
            opened = opened or tag
        elif opened is None:
            # All before it was thought, unless it only names the tag within a sentence or a value.
            if not tag["details"] and _ends_thoughts(text, tag):
                spans = [(0, tag.end())]
        elif not tag["details"] or opened["token"]:
            spans.append((opened.start(), tag.end()))
            opened = None
    if opened is not None and _begins_line(text, opened):
        raise NotReadable(FORM, "they begin and never end")
    return outside(text, spans)


def _begins_line(text: str, tag: re.Match[str]) -> bool:
    return not text[text.rfind("\n", 0, tag.start()) + 1 : tag.start()].strip()


def _ends_thoughts(text: str, tag: re.Match[str]) -> bool:
    """Whether a closing tag without an opening one ends thoughts."""
    behind = text[tag.end() : tag.end() + 1]
    return behind not in ("`", '"', "'", "\\") and text[max(tag.start() - 1, 0) : tag.start()] not in (
        "`",
        '"',
        "'",
    )
