"""A tiny student of each family goes the whole way, and every path asks it with the ids of its training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from family_models import write_base
from student_families import whole_way

from distil_dag_tests.benchmarks.sentencepiece_words import write_sentencepiece

pytest.importorskip("llama_cpp")
pytestmark = pytest.mark.slow


def goes_the_whole_way(name: str, base: Path, out: Path) -> None:
    found = whole_way(name, base, out)
    assert (found.refused, found.differing) == ("", {})
    assert found.steps
    assert len(found.paths) == 5


# The day in its prompt, no place for a system turn, a mixture of experts. The benchmark has all families.
@pytest.mark.parametrize("name", ["llama3_2", "mistral", "gptoss"])
def test_a_family_is_asked_by_every_path_as_in_its_training(
    name: str, embedded_student: Path, tmp_path: Path
) -> None:
    goes_the_whole_way(name, write_base(name, tmp_path / "base", embedded_student), tmp_path / "out")


@pytest.mark.parametrize("name", ["gemma3", "phi3"])
def test_a_sentencepiece_vocabulary_travels_with_the_student(
    name: str, embedded_student: Path, tmp_path: Path
) -> None:
    words = write_sentencepiece(name, tmp_path / "words")
    base = write_base(name, tmp_path / "base", embedded_student, words)
    goes_the_whole_way(name, base, tmp_path / "out")


def test_a_base_of_which_no_file_can_be_made_is_refused_before_it_is_trained(
    embedded_student: Path, tmp_path: Path
) -> None:
    words = write_sentencepiece("mistral_v3", tmp_path / "words")
    (words / "tokenizer.model").unlink()
    base = write_base("mistral_v3", tmp_path / "base", embedded_student, words)
    found = whole_way("mistral_v3", base, tmp_path / "out")
    assert found.steps == 0
    assert "no GGUF file can be made" in found.refused
    assert "as other tokens" in found.refused


def test_words_that_the_converter_does_not_know_are_refused_too(
    embedded_student: Path, tmp_path: Path
) -> None:
    base = write_base("llama3_1", tmp_path / "base", embedded_student)
    path = base / "tokenizer.json"
    found = json.loads(path.read_text())
    found["model"]["merges"] = found["model"]["merges"][:1000]
    path.write_text(json.dumps(found))
    outcome = whole_way("llama3_1", base, tmp_path / "out")
    assert outcome.steps == 0
    assert "pre-tokenizer was not recognized" in outcome.refused
