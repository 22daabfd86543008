"""A committee proposes calls for traces that failed; a judge picks, or none is good enough.

Members are models, asked with a few trusted examples in view.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from distil_dag.core.answers.parser import parse_answer
from distil_dag.core.case import Example, Message, Trace
from distil_dag.core.context import NOTHING, ContextRule, joined
from distil_dag.core.tool_call import NO_CALL_TEXT, Calls, ToolCall, calls_key, render_calls
from distil_dag.core.toolset import Toolset
from distil_dag.core.verdict import Proposal, Verdict
from distil_dag.stages.judging.port import Judge, Judgement
from distil_dag.stages.judging.rendering import conversation
from distil_dag.stages.nlu.spans import leaves, locate, surfaces
from distil_dag.stages.ports import ChatModel, Progress, Prompt, Reply, quiet
from distil_dag.stages.progress import tally
from distil_dag.stages.prompting.batches import ask_all
from distil_dag.stages.prompting.delimiters import Delimited, delimited
from distil_dag.stages.prompting.prompt_files import render
from distil_dag.stages.splitting.stratified import stratified

# What becomes of a labeller's answer.
TAKEN = "taken"
PROPOSED = "proposed"
AS_LOGGED = "as logged"
UNREADABLE = "unreadable"
CUT = "ran out of tokens"
NO_ANSWER = "no answer"
REFUSED_BY_TOOLS = "not allowed by the tools"
UNSAID = "values nobody said"

# The best-judged examples from which those that a model sees are drawn.
_BEST, _EXAMPLES = 64, 8
_MAX_TOKENS = 200
_SHAPE = ToolCall(name="function name", arguments={"argument": "value"})


@dataclass
class Committee:
    """What the labellers proposed for each rejected trace, and what came of each one's answers."""

    labellers: tuple[str, ...]
    proposals: list[dict[str, Calls]]
    voters: list[dict[str, list[str]]]
    outcomes: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))


def relabel(
    rejected: Sequence[tuple[Trace, Verdict]],
    trusted: Sequence[Example],
    toolset: Toolset,
    judge: Judge,
    labellers: Sequence[ChatModel],
    min_score: float,
    seed: int = 0,
    progress: Progress = quiet,
    context: ContextRule = NOTHING,
) -> tuple[dict[str, Verdict], dict[str, dict[str, int]]]:
    """Ask for other calls of rejected traces, and score what is proposed.

    Each labeller answers the request anew, with a few trusted examples in view. A proposal counts if the
    tools allow it and the conversation holds its values. The judge scores each by itself, so that no order
    of proposals can sway it. The highest score wins, then the number of labellers. Every proposal stays in
    the verdict.

    Args:
        rejected: traces with the verdicts on their calls.
        trusted: examples to show, best first.
        toolset: the tools of the task.
        judge: scores the proposals; it may be another than the one that rejected the traces.
        labellers: the models that propose.
        min_score: from which a proposal passes, and the verdict names the logged calls beside it (0 to 1).
        seed: draws the examples.
        progress: told of each step.
        context: what of a trace's system turns labellers see, and may take values from.

    Returns:
        Trace id -> the verdict that replaces a rejection, and labeller -> outcome -> number of answers.
    """
    committee = _propose(rejected, trusted, toolset, labellers, seed, progress, context)
    items = [(n, key) for n, found in enumerate(committee.proposals) for key in sorted(found)]
    scored = 0

    def on_result(judgement: Judgement) -> None:
        nonlocal scored
        scored += 1
        progress(scored, len(items), "proposals scored")

    asked = [(rejected[n][0], committee.proposals[n][key]) for n, key in items]
    scores: list[dict[str, float | None]] = [{} for _ in rejected]
    for (n, key), judgement in zip(items, judge.assess(asked, on_result), strict=True):
        scores[n][key] = judgement.score
    found = {}
    for n, (_, verdict) in enumerate(rejected):
        if committee.voters[n]:
            found[verdict.trace_id] = _decide(verdict, n, committee, scores[n], judge.identity, min_score)
    return found, {name: dict(committee.outcomes[name]) for name in committee.labellers}


def _propose(
    rejected: Sequence[tuple[Trace, Verdict]],
    trusted: Sequence[Example],
    toolset: Toolset,
    labellers: Sequence[ChatModel],
    seed: int,
    progress: Progress,
    context: ContextRule,
) -> Committee:
    names = _distinct([labeller.identity for labeller in labellers])
    committee = Committee(names, [{} for _ in rejected], [defaultdict(list) for _ in rejected])
    examples = _examples(trusted[:_BEST], seed)
    prompts = [_prompt(trace, examples, toolset, context) for trace, _ in rejected]
    said: Counter[str] = Counter()

    for name, labeller in zip(names, labellers, strict=True):

        def arrived(place: int, reply: Reply, name: str = name) -> None:
            outcome = _take(committee, rejected[place], place, reply, name, toolset, context)
            committee.outcomes[name][outcome] += 1
            said[outcome] += 1
            progress(said.total(), len(labellers) * len(prompts), tally(said))

        ask_all(labeller, prompts, arrived)
    return committee


def _take(
    committee: Committee,
    rejected: tuple[Trace, Verdict],
    place: int,
    reply: Reply,
    name: str,
    toolset: Toolset,
    context: ContextRule,
) -> str:
    """Enter a model's reply; returns what came of it."""
    if reply.finish != "stop":
        return CUT if reply.finish == "length" else NO_ANSWER
    answer = parse_answer(reply.text, toolset)
    if answer.error or not (answer.calls or answer.text == NO_CALL_TEXT):
        return UNREADABLE
    trace, verdict = rejected
    calls = tuple(toolset.canonical(call) for call in answer.calls)
    key = calls_key(calls)
    if key == calls_key(tuple(toolset.canonical(call) for call in verdict.calls)):
        committee.voters[place][key].append(name)
        return AS_LOGGED
    if why := refusal(trace, calls, toolset, context):
        return why
    committee.voters[place][key].append(name)
    committee.proposals[place][key] = calls
    return PROPOSED


def _decide(
    verdict: Verdict,
    place: int,
    committee: Committee,
    scores: dict[str, float | None],
    arbiter: str,
    min_score: float,
) -> Verdict:
    """The verdict with every proposal, the best of them in place of the calls if it is good enough."""
    voters, calls = committee.voters[place], committee.proposals[place]
    ranked = sorted(calls, key=lambda key: (-_or_less(scores[key]), -len(voters[key]), key))
    enough = [key for key in ranked if _or_less(scores[key]) >= min_score]
    best = next((key for key in enough or ranked if scores[key] is not None), None)
    taken = bool(enough)
    proposals = [
        Proposal(
            calls=calls[key],
            labellers=tuple(voters[key]),
            score=scores[key],
            reason=TAKEN if taken and key == best else "no score" if scores[key] is None else "not the best"
            if key in enough else "below the threshold",
        )
        for key in ranked
    ]  # fmt: skip
    proposals += [
        Proposal(calls=verdict.calls, labellers=tuple(names), score=verdict.score, reason=AS_LOGGED)
        for key, names in sorted(voters.items())
        if key not in calls
    ]
    change: dict[str, object] = {"proposals": tuple(proposals), "arbiter": arbiter}
    if best is not None:
        change["proposed"] = calls[best]
    if best is not None and taken:
        for name in voters[best]:
            committee.outcomes[name][TAKEN] += 1
        change |= {
            "outcome": "passed",
            "score": scores[best],
            "relabelled_from": verdict.calls,
            "reason": "relabelled",
            "explanation": f"{len(voters[best])} of {len(committee.labellers)} labellers proposed it; "
            f"logged calls: {verdict.reason}",
            "details": verdict.details | {"logged_score": verdict.score or 0.0},
        }
    return verdict.model_copy(update=change)


def refusal(trace: Trace, calls: Calls, toolset: Toolset, context: ContextRule = NOTHING) -> str:
    """Why calls can't be an answer to the trace; empty if the tools allow them and every value is said.

    Values that have no words of their own (true, null) and those of a closed list in the schema
    need not be said. The kept context of a request counts as said.
    """
    said = joined([context.of(trace.messages), *(m.content for m in trace.messages if m.role != "system")])
    for call in calls:
        if toolset.problems(call):
            return REFUSED_BY_TOOLS
        for name, value in call.arguments.items():
            spec = toolset[call.name].properties.get(name, {})
            for leaf in leaves(value):
                if surfaces(leaf) and "enum" not in spec and not locate(leaf, said):
                    return UNSAID
    return ""


def _examples(trusted: Sequence[Example], seed: int) -> Delimited | None:
    """Solved requests in a fence, the same for every row: prompts share all up to the conversation."""
    shown = stratified(trusted, _EXAMPLES, seed)
    return (
        delimited([{"request": c.request, "answer": render_calls(c.calls)} for c in shown]) if shown else None
    )


def _prompt(trace: Trace, examples: Delimited | None, toolset: Toolset, context: ContextRule) -> Prompt:
    turns = [turn for turn in conversation(trace) if turn["role"] != "system"]
    if kept := context.of(trace.messages):
        turns.insert(0, {"role": "system", "content": kept})
    text = render(
        "relabelling",
        description=toolset.description,
        form=render_calls([_SHAPE]),
        no_call=NO_CALL_TEXT,
        examples=examples,
        conversation=delimited(turns),
    )
    return Prompt(
        messages=(Message(role="user", content=text),),
        max_tokens=_MAX_TOKENS,
        tools=tuple(toolset.openai()),
    )


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    """The names, numbered where one repeats."""
    return tuple(
        name if names.index(name) == place else f"{name} ({names[: place + 1].count(name)})"
        for place, name in enumerate(names)
    )


def _or_less(score: float | None) -> float:
    return -1.0 if score is None else score
