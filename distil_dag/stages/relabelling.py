"""A committee proposes calls for traces that failed; the judge picks, or none is good enough."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from distil_dag.core.case import Example, Message, Trace
from distil_dag.core.tool_call import NO_CALL_TEXT, ToolCall, parse_answer, render_calls
from distil_dag.core.toolset import Toolset
from distil_dag.core.verdict import Verdict
from distil_dag.stages.judge_port import Calls, Judge
from distil_dag.stages.ports import ChatModel, Progress, Prompt, quiet
from distil_dag.stages.sampling import stratified
from distil_dag.stages.slot_tagger import leaves
from distil_dag.stages.wording import locate, surfaces

_BATCH = 64
_EXAMPLES = 8
_MAX_TOKENS = 200
_SHAPE = ToolCall(name="function name", arguments={"argument": "value"})


def relabel(
    rejected: Sequence[tuple[Trace, Verdict]],
    trusted: Sequence[Example],
    toolset: Toolset,
    judge: Judge,
    labellers: Sequence[ChatModel],
    min_score: float,
    seed: int = 0,
    progress: Progress = quiet,
) -> dict[str, Verdict]:
    """Trace id -> the verdict that replaces a rejection, for traces that got a proposal.

    Each labeller answers the request anew, with a few `trusted` examples in view. A proposal
    counts if the tools allow it and the conversation holds its values. The judge scores what
    remains; the highest score wins, then the number of labellers who proposed it. Where it
    reaches `min_score`, the verdict passes with the proposal and names the logged calls.
    """
    prompts = [_prompt(trace, trusted, toolset, seed) for trace, _ in rejected]
    votes: list[Counter[str]] = [Counter() for _ in rejected]
    calls_of: dict[str, Calls] = {}
    for member, labeller in enumerate(labellers):
        for start in range(0, len(prompts), _BATCH):
            replies = labeller.generate(prompts[start : start + _BATCH])
            for n, reply in enumerate(replies, start):
                answer = parse_answer(reply.text) if reply.finish == "stop" else None
                if answer is None or answer.error or not (answer.calls or answer.text == NO_CALL_TEXT):
                    continue
                calls = tuple(toolset.canonical(call) for call in answer.calls)
                if acceptable(rejected[n][0], calls, toolset):
                    votes[n][_key(calls)] += 1
                    calls_of[_key(calls)] = calls
            progress(member * len(prompts) + start + len(replies), len(labellers) * len(prompts), "proposed")
    items = [
        (n, key)
        for n, (_, verdict) in enumerate(rejected)
        for key in sorted(votes[n])
        if key != _key(tuple(toolset.canonical(call) for call in verdict.calls))
    ]
    judged = judge.assess([(rejected[n][0], calls_of[key]) for n, key in items])
    best: dict[int, tuple[float, int, str]] = {}
    for (n, key), judgement in zip(items, judged, strict=True):
        if judgement.score is not None:
            best[n] = max(best.get(n, (-1.0, 0, "")), (judgement.score, votes[n][key], key))
    found = {}
    for n, (score, count, key) in sorted(best.items()):
        verdict = rejected[n][1]
        change: dict[str, object] = {"proposed": calls_of[key]}
        if score >= min_score:
            change |= {
                "outcome": "passed",
                "score": score,
                "relabelled_from": verdict.calls,
                "reason": "relabelled",
                "explanation": f"{count} of {len(labellers)} labellers proposed it; "
                f"logged calls: {verdict.reason}",
                "details": verdict.details | {"logged_score": verdict.score or 0.0},
            }
        found[verdict.trace_id] = verdict.model_copy(update=change)
    return found


def acceptable(trace: Trace, calls: Calls, toolset: Toolset) -> bool:
    """Whether the tools allow the calls and every value is said in the conversation.

    Values that have no words of their own (true, null) and those of a closed list in the schema
    need not be said.
    """
    said = "\n".join(m.content for m in trace.messages if m.role != "system")
    for call in calls:
        if toolset.problems(call):
            return False
        for name, value in call.arguments.items():
            spec = toolset[call.name].properties.get(name, {})
            for leaf in leaves(value):
                if surfaces(leaf) and "enum" not in spec and not locate(leaf, said):
                    return False
    return True


def _prompt(trace: Trace, trusted: Sequence[Example], toolset: Toolset, seed: int) -> Prompt:
    shown = stratified(trusted, _EXAMPLES, seed)
    examples = "\n".join(
        f"{json.dumps(case.request, ensure_ascii=False)} -> {render_calls(case.calls)}" for case in shown
    )
    rules = (
        f"{toolset.description}\n"
        "Answer the last user turn with the function calls that it asks for, each as "
        f"{render_calls([_SHAPE])}, and nothing else. Use only values that the user said. "
        f"If no function fits, answer: {NO_CALL_TEXT}"
    )
    messages = [Message(role="system", content=f"{rules}\nExamples:\n{examples}" if examples else rules)]
    messages += [m for m in trace.messages if m.role != "system"]
    return Prompt(messages=tuple(messages), max_tokens=_MAX_TOKENS, tools=tuple(toolset.openai()))


def _key(calls: Calls) -> str:
    return "\n".join(sorted(call.key() for call in calls))
