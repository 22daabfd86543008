"""Every path, link, command and setting that a document names exists, and the check is able to fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from distil_dag_tests.documents import ROOT, anchors, documents, problems


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_document_names_is_there(document: Path) -> None:
    assert problems(document) == []


@pytest.mark.parametrize("name", ["README.md", "docs/architecture.md"])
def test_who_comes_first_reads_little(name: str) -> None:
    assert len((ROOT / name).read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("See `core/gate.py`.", "`core/gate.py` does not exist"),
        ("See `docs/images/`, `core/toolset.py` and `docs/none/`.", "`docs/none/` does not exist"),
        ("See `stages/nothing_here`.", "`stages/nothing_here` does not exist"),
        ("See `core/*.md`.", "`core/*.md` does not exist"),
        ("See `no_such_file.py`.", "`no_such_file.py` does not exist"),
        ("[here](none.md)", "the link to none.md leads nowhere"),
        ("# One\n\n[here](#two)", "the link to #two: no heading has that anchor"),
        ("![picture](none.png)", "the link to none.png leads nowhere"),
        ("`distil-dag walk`", "`distil-dag walk` is no command"),
        ("`distil-dag run TASK --fast`", "No such option: --fast"),
        ("```\ndistil-dag plan TASK\ndistil-dag run\n```", "`distil-dag run`: Missing parameter: task"),
        ("```\ndistil-dag run TASK \\\n  --set judge.nothing=1\n```", "`judge.nothing` is no setting"),
        ("```\npython benchmarks/none.py\n```", "`benchmarks/none.py` does not exist"),
        ("```python\nfrom distil_dag import Teacher\n```", "distil_dag has no Teacher"),
        ("`make nothing`", "`make nothing` is no target of the Makefile"),
        ("```\nmake demo nothing   # all\n```", "`make nothing` is no target of the Makefile"),
        ("`judge.nothing`", "`judge.nothing` is no setting of task.yaml"),
        ("`evaluation.vllm.executables`", "is no setting of task.yaml"),
        ("`judge: {kinds: rubric}`", "no part of a task.yaml"),
        ("```yaml\nteacher: {mode: other}\n```", "no part of a task.yaml"),
        ("`DISTIL_DAG_NOTHING`", "`DISTIL_DAG_NOTHING` is read by nothing"),
    ],
)
def test_what_is_not_there_is_told(tmp_path: Path, text: str, said: str) -> None:
    document = tmp_path / "bad.md"
    document.write_text(text, encoding="utf-8")
    found = problems(document)
    assert len(found) == 1
    assert said in found[0]


def test_what_is_there_passes(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# A heading, of `two` parts\n", encoding="utf-8")
    document = tmp_path / "good.md"
    document.write_text(
        "`core/leaks.py`, `distil_dag/stages/`, `examples/*/README.md`, `other.md`, `test.jsonl`,\n"
        "`Qwen/Qwen3-0.6B`, `gates.soft`,\n"
        "`distil-dag eval`, `make demo`, [there](other.md#a-heading-of-two-parts), [web](https://example.com/a)\n"
        "```\n. .venv/bin/activate\ndistil-dag plan TASK --set training.epochs=1  # before\n```\n"
        "```yaml\nbudget: {tokens: 20_000_000, money: 10}\n```\n",
        encoding="utf-8",
    )
    assert problems(document) == []


def test_equal_headings_have_anchors_of_their_own() -> None:
    assert anchors("# Same\n\n## Same\n\n### Not that one\n") == {"same", "same-1", "not-that-one"}
