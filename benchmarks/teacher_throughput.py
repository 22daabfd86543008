"""Output tokens a second of a real vLLM server: our client against vLLM's own, and orders of prompts.

    DISTIL_DAG_VLLM_PYTHON=PYTHON python benchmarks/teacher_throughput.py [--json] [--prompts N]

That PYTHON needs pandas beside vLLM; `make benchmarks` sees to it. All on one server in one run, on the
rubric judge's prompts of the smart-home example, greedily, with the server's prefix cache emptied before each
measurement:

- *client*: the same prompts through vLLM's benchmark client at 8, 16, 32 and 64 at a time, and through
  ours, which finds that number itself (a first batch, not counted, lets it, as the others warm up).
- *order of prompts*: the judge's prompts of 24 agents with a tool list each, through our client in its
  own order and shuffled. The server's memory (1 GiB) holds about half of the tool lists; where it held
  them all, or all prompts had one tool list, the order would make no difference.
- *order within prompts*: one agent's prompts as the judge writes them, what they share in front,
  against the same with the exchange in front.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from judge_prompts import exchange_first, judge_prompts
from vllm_process import empty_prefix_cache, vllm_python, vllm_server

from distil_dag.adapters.llamacpp.embedded_weights import embedded_checkpoint
from distil_dag.adapters.openai_api.chat import EndpointChat
from distil_dag.adapters.openai_api.prefix_order import by_beginning
from distil_dag.core.settings import ModelSpec
from distil_dag.stages.ports import Prompt

_CONCURRENCIES = (8, 16, 32, 64)
_AGENTS = 24
# What `vllm bench serve` runs; that command itself asks for a distribution named vllm.
_BENCH_SERVE = """
from vllm.benchmarks.serve import add_cli_args, main
from vllm.utils.argparse_utils import FlexibleArgumentParser
parser = FlexibleArgumentParser()
add_cli_args(parser)
main(parser.parse_args())
"""
_ARGUMENTS = ("--max-model-len", "4096", "--dtype", "bfloat16", "--enable-prefix-caching")


def ours(
    address: str,
    prompts: Sequence[Prompt],
    order: Callable[[Sequence[Prompt]], Sequence[int]] = by_beginning,
    warm: Sequence[Prompt] = (),
) -> float:
    """Output tokens a second through our client.

    Args:
        address: of the server.
        prompts: the prompts that are measured.
        order: the order in which they are sent, as their places.
        warm: prompts that are answered before the measurement, with the prefix cache emptied after them.

    Raises:
        RuntimeError: if a prompt failed.
    """
    spec = ModelSpec(mode="attached", model="teacher", base_url=f"{address}/v1", timeout_seconds=1800)
    with EndpointChat(spec, order=order) as chat:
        chat.generate(warm)
        empty_prefix_cache(address)
        started = time.perf_counter()
        replies = chat.generate(prompts)
        seconds = time.perf_counter() - started
    failed = [reply.error for reply in replies if reply.finish == "error"]
    if failed:
        raise RuntimeError(f"{len(failed)} of {len(prompts)} prompts failed: {failed[0]}")
    return sum(reply.completion_tokens for reply in replies) / seconds


def theirs(address: str, model: Path, prompts: Sequence[Prompt], at_a_time: int, folder: Path) -> float:
    """Output tokens a second through `vllm bench serve`, by its own count.

    Args:
        address: of the server.
        model: folder of the model, for its tokenizer.
        prompts: the prompts.
        at_a_time: the most requests under way.
        folder: for the client's files.

    Raises:
        RuntimeError: if the client or a prompt failed.
    """
    rows = folder / "prompts.jsonl"
    rows.write_text("".join(json.dumps({"prompt": p.messages[0].content}) + "\n" for p in prompts))
    empty_prefix_cache(address)
    options: dict[str, Any] = {
        "backend": "openai-chat",
        "base-url": address,
        "endpoint": "/v1/chat/completions",
        "model": "teacher",
        "tokenizer": model,
        "dataset-name": "custom",
        "dataset-path": rows,
        "custom-output-len": prompts[0].max_tokens,
        "num-prompts": len(prompts),
        "max-concurrency": at_a_time,
        "temperature": 0,
        "result-dir": folder,
        "result-filename": "result.json",
    }
    flags = ["--disable-shuffle", "--skip-chat-template", "--save-result", "--disable-tqdm"]
    command = [vllm_python(), "-c", _BENCH_SERVE, *flags]
    command += [part for name, value in options.items() for part in (f"--{name}", str(value))]
    bare = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, env=bare, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"vLLM's benchmark client failed:\n{(done.stdout + done.stderr)[-3000:]}")
    result = json.loads((folder / "result.json").read_text())
    if result["completed"] != len(prompts):
        raise RuntimeError(f"vLLM's client completed {result['completed']} of {len(prompts)} prompts")
    return float(result["output_throughput"])


def shuffled(prompts: Sequence[Prompt]) -> list[int]:
    """Places in a random order, the same each time."""
    return random.Random(0).sample(range(len(prompts)), len(prompts))


def measure(count: int, folder: Path) -> dict[str, Any]:
    """All figures, in output tokens a second, and their ratios.

    Args:
        count: number of prompts.
        folder: for the model, the log and files of the clients.
    """
    model = embedded_checkpoint(folder)
    with vllm_server(model, _ARGUMENTS, folder / "vllm.log") as address:
        prompts = judge_prompts(1, count, max_tokens=64)
        client = ours(address, prompts, warm=prompts)
        sweep = {n: theirs(address, model, prompts, n, folder) for n in _CONCURRENCIES}
        moved = ours(address, [exchange_first(prompt) for prompt in prompts], warm=prompts[:16])
        mixed = judge_prompts(_AGENTS, max(2, count // 8), max_tokens=32)
        in_order = ours(address, mixed)
        out_of_order = ours(address, mixed, shuffled)
    best = max(sweep, key=lambda n: sweep[n])
    return {
        "cores": len(os.sched_getaffinity(0)),
        "prompts": count,
        "ours": round(client, 2),
        "vllm_client": {str(n): round(value, 2) for n, value in sweep.items()},
        "vllm_client_best_at": best,
        "client_ratio": round(client / sweep[best], 3),
        "prompts_of_agents": len(mixed),
        "agents": _AGENTS,
        "by_beginning": round(in_order, 2),
        "shuffled": round(out_of_order, 2),
        "order_of_prompts_ratio": round(in_order / out_of_order, 3),
        "exchange_first": round(moved, 2),
        "order_within_prompts_ratio": round(client / moved, 3),
    }


def main() -> None:
    """Measure once and print a table and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true", help="print the line of JSON only")
    parser.add_argument("--prompts", type=int, default=96)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(options.prompts, Path(folder))
    if not options.json:
        for n, value in found["vllm_client"].items():
            print(f"vLLM's client, {n:>2} at a time  {value:8.1f} tokens/s")
        print(f"our client                  {found['ours']:8.1f} tokens/s")
        print(f"ours to the best of theirs  {found['client_ratio']:8.2f}")
        for what, a, b in (
            ("order of prompts", "by_beginning", "shuffled"),
            ("order within prompts", "ours", "exchange_first"),
        ):
            ratio = found[f"{what.replace(' ', '_')}_ratio"]
            print(f"{what:<21} {a} {found[a]:.1f}, {b} {found[b]:.1f} tokens/s: {ratio:.2f} times")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
