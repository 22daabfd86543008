"""Whether an exported file prompts, tokenises and answers as the checkpoint that it was made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from distil_dag.core.case import Case
from distil_dag.core.context import NOTHING, ContextRule
from distil_dag.core.reports.exporting import FlashAttention, GgufFile
from distil_dag.core.settings import StudentSpec
from distil_dag.core.toolset import Toolset
from distil_dag.stages.ports import Reply
from distil_dag.stages.student.base_template import CHATML_OPEN
from distil_dag.stages.student.prompt import CHATML_CLOSE, render_prompt, student_messages


class TextModel(Protocol):
    """A model that continues rendered prompts: a checkpoint, or a GGUF file in llama.cpp."""

    @property
    def chat_template(self) -> str:
        """The chat template in Jinja."""
        ...

    def tokenize(self, text: str) -> list[int]:
        """Token ids of a text, with control tokens read."""
        ...

    def complete_text(self, prompts: Sequence[str], max_tokens: int) -> list[Reply]:
        """Greedy continuations of rendered prompts, in their order, of at most `max_tokens` tokens."""
        ...


@dataclass(frozen=True)
class Reference:
    """What the checkpoint makes of the golden texts and the probes.

    Attributes:
        template: its chat template.
        tokens: token ids of each golden text.
        prompts: the probes.
        answers: its greedy answer to each probe.
    """

    template: str
    tokens: tuple[tuple[int, ...], ...]
    prompts: tuple[str, ...]
    answers: tuple[str, ...]


@dataclass(frozen=True)
class Parity:
    """How far a file agrees with the reference.

    Attributes:
        tokens_equal: whether all golden texts have the same token ids.
        template_equal: whether the chat template is the same.
        agreement: share of probes with the same answer.
        probes: number of probes.
        differing: (prompt, reference's answer, file's answer) of the others.
    """

    tokens_equal: bool
    template_equal: bool
    agreement: float
    probes: int
    differing: tuple[tuple[str, str, str], ...] = ()


Parities = dict[FlashAttention, Parity]
"""A file's parity for each setting of llama.cpp's flash attention."""


def golden_texts() -> tuple[str, ...]:
    """Texts on which tokenizers often differ: control tokens, spaces, digits, scripts, emoji, code."""
    return (
        "turn on the light in the kitchen",
        f"{CHATML_OPEN}user\nhi{CHATML_CLOSE}\n{CHATML_OPEN}assistant\n",
        '<tool_call>{"name":"light_on","arguments":{"room":"attic"}}</tool_call>',
        "  leading,  double  and trailing spaces  ",
        "tabs\tand\n\n\nblank lines\r\n",
        "12345 3.14 1,000,000 21.5°C x  +  1",
        "½ ² Ⅻ ④ १२३ ٣",
        "it's I'D we'll they\u2019ve DON'T",
        "naïve é e\u0301 ﬁ straße İstanbul",
        "👋🏽 👩‍👩‍👧 🇩🇪 🤖",
        "مرحبا بالعالم שלום עולם \u202etxt\u202c",
        "日本語テキスト 中文 한국어 ไทย",
        "def f(x: int) -> str:\n\treturn f'{x:>3}' # note\n",
        "https://example.com/a?b=c&d=%20 me@example.com <EMAIL_1>",
        "\u200b\u00a0\ufeff zero width",
        "",
    )


def probe_prompts(
    cases: Sequence[Case], toolset: Toolset, student: StudentSpec, template: str,
    special_tokens: dict[str, str], count: int, context: ContextRule = NOTHING,
) -> list[str]:  # fmt: skip
    """Rendered prompts of different requests, spread evenly over the cases.

    Args:
        cases: where the requests come from, in any order.
        toolset: the tools, for prompts that show them.
        student: the student's settings.
        template: the chat template.
        special_tokens: `bos_token` and the like, for templates that ask.
        count: the most prompts to make.
        context: what prompts keep of production's system turns.
    """
    by_id = sorted(cases, key=lambda case: case.id, reverse=True)
    by_turns = {student_messages(case, "", context): case for case in by_id}
    distinct = sorted(by_turns.values(), key=lambda case: case.id)
    step = max(len(distinct) / max(count, 1), 1.0)
    chosen = [distinct[int(place * step)] for place in range(min(count, len(distinct)))]
    tools = toolset.openai() if student.tools_in_prompt else None
    return [
        render_prompt(template, student_messages(case, student.system_prompt, context), tools, special_tokens)
        for case in chosen
    ]


def reference(checkpoint: TextModel, prompts: Sequence[str], max_tokens: int) -> Reference:
    """What a file is compared with.

    Args:
        checkpoint: the checkpoint.
        prompts: the probes, as rendered prompts.
        max_tokens: the longest answer, in tokens.
    """
    return Reference(
        template=checkpoint.chat_template,
        tokens=tuple(tuple(checkpoint.tokenize(text)) for text in golden_texts()),
        prompts=tuple(prompts),
        answers=tuple(reply.text for reply in checkpoint.complete_text(prompts, max_tokens)),
    )


def compare_files(known: Reference, file: TextModel, max_tokens: int) -> Parity:
    """Compare a file with the reference.

    Args:
        known: the reference.
        file: the exported file.
        max_tokens: the longest answer, in tokens.

    Returns:
        The parity; answers are equal when their text is, apart from spaces around it.
    """
    answers = [reply.text.strip() for reply in file.complete_text(known.prompts, max_tokens)]
    pairs = list(zip(known.prompts, (text.strip() for text in known.answers), answers, strict=True))
    differing = tuple((prompt, ours, theirs) for prompt, ours, theirs in pairs if ours != theirs)
    return Parity(
        tokens_equal=known.tokens == tuple(tuple(file.tokenize(text)) for text in golden_texts()),
        template_equal=file.chat_template == known.template,
        agreement=1 - len(differing) / len(pairs) if pairs else 0.0,
        probes=len(pairs),
        differing=differing,
    )


def described(form: str, path: str, sha256: str, size: int, parities: Parities) -> GgufFile:
    """An exported file with its parity, the lowest of all settings.

    Args:
        form: its format.
        path: its path in the folder of the files.
        sha256: content hash.
        size: bytes.
        parities: how it differs from the checkpoint.
    """
    found = parities.values()
    return GgufFile(
        format=form,
        path=path,
        sha256=sha256,
        bytes=size,
        tokens_equal=all(parity.tokens_equal for parity in found),
        template_equal=all(parity.template_equal for parity in found),
        agreement=min(parity.agreement for parity in found),
        by_attention={flash: parity.agreement for flash, parity in parities.items()},
        probes=min(parity.probes for parity in found),
    )
