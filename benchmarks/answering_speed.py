"""Time of an answer: plain llama.cpp greedy against the decoder, on one GGUF file in one run.

    python benchmarks/answering_speed.py model-Q8_0.gguf CASES.jsonl [--cases 100] [--generated 2000]

CASES is a JSONL file of cases or traces; distinct requests are taken, evenly spread. Every request is
answered by llama-cpp-python's own `create_completion` (temperature 0), by the decoder's plain mode (the same
grammar, one token a pass) and by the decoder. They take turns, so that other work on the machine slows all
three. A request's time is the median of its repeats in milliseconds.

The floor of an answer is one pass with all tokens that a decision depends on, at the cost of such a pass on
this machine. `--generated` adds requests made from those of the file (words dropped, doubled and swapped,
halves joined), asked both ways by the decoder for the count of differing answers. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from distil_dag.adapters.llamacpp.engine import LlamaCppEngine
from distil_dag.adapters.serving.student import Student
from distil_dag.core.answers.parser import parse_answer
from distil_dag.core.tool_call import same_calls
from distil_dag.stages.ports import Progress
from distil_dag.stages.progress import paced
from distil_dag.stages.reading.case_files import read_cases

_ROOM = 128
_PASSES = (1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64)


def main() -> None:
    """Measure, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("cases_file", type=Path, metavar="CASES")
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--generated", type=int, default=0)
    parser.add_argument("--threads", type=int, default=None)
    options = parser.parse_args()
    requests = requests_of(options.cases_file)
    step = max(len(requests) / options.cases, 1)
    asked = [requests[int(place * step)] for place in range(min(options.cases, len(requests)))]
    started = time.perf_counter()
    with Student(options.model, threads=options.threads) as student:
        opened = time.perf_counter() - started
        costs = _pass_costs(options.model, student.prompt(asked[0]), options.threads)
        found = _race(student, options.model, asked, options.repeats, options.threads)
        generated = list(itertools.islice(_made_from(requests, random.Random(0)), options.generated))
        differing = _differing(student, generated)
        needed = [answer.needed for answer in found.pop("decoded")]
        floors = np.interp(needed, list(costs), list(costs.values())).tolist()
        p50 = found["decoder"]["ms_p50"]
        result = {
            "benchmark": "answering_speed",
            "model": options.model.name,
            "bytes": options.model.stat().st_size,
            "requests": len(asked),
            "open_seconds": round(opened, 2),
            "margin_logits": round(student.margin, 3),
            **found,
            "speed_up_over_llama_cpp": round(found["llama_cpp"]["ms_p50"] / p50, 2),
            "speed_up_over_plain": round(found["plain"]["ms_p50"] / p50, 2),
            "pass_ms": {str(n): round(cost, 1) for n, cost in costs.items()},
            "floor_ms_p50": round(statistics.median(floors), 1),
            "above_floor": round(p50 / statistics.median(floors), 2),
            "parity": {
                "cases": len(asked) + len(generated),
                "different": found.pop("different") + len(differing),
            },
        }
    print(json.dumps(result, indent=2))
    sys.exit(result["parity"]["different"] > 0)


def requests_of(path: Path) -> list[str]:
    """The distinct requests of a file of cases or traces."""
    with path.open("rb") as file:
        cases, _ = read_cases(file, None)
    return list(dict.fromkeys(case.request for case in cases))


def _race(
    student: Student, model: Path, asked: Sequence[str], repeats: int, threads: int | None
) -> dict[str, Any]:
    import llama_cpp

    plain_llama = llama_cpp.Llama(
        str(model), n_ctx=2048, n_threads=threads, n_threads_batch=threads, verbose=False
    )
    ways: dict[str, Callable[[str], Any]] = {
        "llama_cpp": lambda text: plain_llama.create_completion(
            student.prompt(text), max_tokens=_ROOM, temperature=0.0, repeat_penalty=1.0
        ),
        "plain": lambda text: student.answer(text, _ROOM, plain=True),
        "decoder": lambda text: student.answer(text, _ROOM),
    }
    for way in ways.values():
        way(asked[0])
    times: dict[str, list[float]] = {name: [] for name in ways}
    answers: dict[str, list[Any]] = {name: [] for name in ways}
    progress = _told("three ways of answering")
    for place, text in enumerate(asked, 1):
        took: dict[str, list[float]] = {name: [] for name in ways}
        said: dict[str, Any] = {}
        for _ in range(repeats):
            for name, way in ways.items():
                started = time.perf_counter()
                said[name] = way(text)
                took[name].append(1000 * (time.perf_counter() - started))
        for name in ways:
            answers[name].append(said[name])
            times[name].append(statistics.median(took[name]))
        progress(place, len(asked), "")
    told = {name: {"ms_p50": _share(took, 50), "ms_p95": _share(took, 95)} for name, took in times.items()}
    for name in ("plain", "decoder"):
        told[name] |= _counts([answer.decoded for answer in answers[name]])
    free = [parse_answer(answer["choices"][0]["text"]).calls for answer in answers["llama_cpp"]]
    return {
        **told,
        "llama_cpp_says_other_calls": sum(
            not same_calls(left, right.calls) for left, right in zip(free, answers["decoder"], strict=True)
        ),
        "different": sum(
            left.text != right.text for left, right in zip(answers["plain"], answers["decoder"], strict=True)
        ),
        "decoded": [answer.decoded for answer in answers["decoder"]],
    }


def _counts(decoded: Sequence[Any]) -> dict[str, float]:
    """Means over all answers."""
    return {
        "passes": round(statistics.mean(one.passes for one in decoded), 2),
        "passes_p50": statistics.median(one.passes for one in decoded),
        "tokens_computed": round(statistics.mean(one.computed for one in decoded), 1),
        "tokens_said": round(statistics.mean(len(one.tokens) for one in decoded), 1),
        "decisions": round(statistics.mean(one.decisions for one in decoded), 1),
        "answers_made_sure_of": round(statistics.mean(one.recomputed > 0 for one in decoded), 3),
    }


def _pass_costs(model: Path, prompt: Sequence[int], threads: int | None) -> dict[int, float]:
    """Tokens in a pass -> milliseconds of it, with predictions behind a fifth of them, as in answers."""
    engine = LlamaCppEngine(model, parallel=1, context=512, threads=threads)
    tokens = (list(prompt) * max(_PASSES))[: max(_PASSES)]
    costs: dict[int, float] = {}
    for count in _PASSES:
        took = []
        for _ in range(15):
            engine.clear()
            for place in range(count):
                engine.add(tokens[place], place, 1, wanted=place % 5 == 0)
            started = time.perf_counter()
            engine.compute()
            engine.logits((count + 4) // 5)[0, 0]
            took.append(1000 * (time.perf_counter() - started))
        costs[count] = statistics.median(took)
    engine.close()
    return costs


def _made_from(requests: Sequence[str], draw: random.Random) -> Any:
    while True:
        words = draw.choice(requests).split()
        kind = draw.randrange(4)
        place = draw.randrange(len(words)) if words else 0
        if kind == 0:
            words = words[:place] + words[place + 1 :]
        elif kind == 1:
            words = words[: place + 1] + words[place:]
        elif kind == 2:
            draw.shuffle(words)
        else:
            words = words[:place] + draw.choice(requests).split()[place:]
        if words:
            yield " ".join(words)


def _differing(student: Student, requests: Sequence[str]) -> list[str]:
    """Requests that plain decoding answers otherwise; tells how far it is, as thousands take minutes."""
    progress = _told("compared with plain decoding")
    found: list[str] = []
    for place, text in enumerate(requests, 1):
        if student.answer(text, _ROOM).text != student.answer(text, _ROOM, plain=True).text:
            found.append(text)
        progress(place, len(requests), f"{len(found)} differ")
    return found


def _told(what: str) -> Progress:
    return paced(lambda line: print(line, file=sys.stderr, flush=True), what)


def _share(values: Sequence[float], percent: float) -> float:
    return round(float(np.percentile(values, percent)), 1)


if __name__ == "__main__":
    main()
