"""No container engine is needed to see that the images are built the way they should be."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Sized
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml
from dockerfile_parse import DockerfileParser

from distil_dag_tests.paths import ROOT

DOCKER = ROOT / "docker"


Found = TypeVar("Found", bound=Sized)


def some(found: Found) -> Found:
    """What a file was searched for; nothing found means that the search is wrong, not that all is well."""
    assert found, "nothing was found to check"
    return found


def stages(dockerfile: Path = DOCKER / "Dockerfile") -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    with dockerfile.open("rb") as file:
        for step in DockerfileParser(fileobj=file).structure:
            if step["instruction"] == "FROM":
                name = step["value"].split(" AS ")[1]
                found[name] = []
            if step["instruction"] != "COMMENT":
                found[name].append(step)
    return some(found)


def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
    return some(found)


@pytest.mark.parametrize("text", ["", "# a comment\n"])
def test_a_file_without_steps_does_not_pass_for_a_good_one(tmp_path: Path, text: str) -> None:
    (tmp_path / "Dockerfile").write_text(text)
    with pytest.raises(AssertionError, match="nothing was found to check"):
        stages(tmp_path / "Dockerfile")


def test_base_images_are_pinned_to_a_version() -> None:
    names = stages()
    for steps in names.values():
        image = steps[0]["value"].split()[0]
        assert image in names or re.search(r":\d+\.\d+", image), image
    for image in some([service["image"] for service in services().values() if "build" not in service]):
        assert re.search(r":v?\d+\.\d+", image), image


def test_images_that_run_do_not_run_as_root_and_hold_no_secret() -> None:
    for name in ("dagster", "code"):
        steps = stages()[name]
        assert [s["value"] for s in steps if s["instruction"] == "USER"] == ["distil"]
        assert not any("TOKEN" in s["value"] or "PASSWORD" in s["value"] for s in steps)


def test_every_copied_path_exists() -> None:
    steps = [step for steps in stages().values() for step in steps if step["instruction"] == "COPY"]
    for step in some([step for step in steps if "--from" not in step["value"]]):
        for source in some(step["value"].split()[:-1]):
            assert (ROOT / source).exists(), source


def test_extras_named_by_the_images_exist() -> None:
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    text = (DOCKER / "Dockerfile").read_text() + (ROOT / "Makefile").read_text()
    for group in some(re.findall(r"'\.\[([a-z,]+)\]'", text)):
        assert set(group.split(",")) <= set(known)


def test_compose_builds_targets_that_exist_and_satisfies_the_specification() -> None:
    for service in some([service for service in services().values() if "build" in service]):
        assert service["build"]["target"] in stages()
    program = Path(sys.executable).parent / "check-jsonschema"
    checked = subprocess.run(
        [program, "--builtin-schema", "vendor.compose-spec", DOCKER / "compose.yaml"],
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout


def test_the_code_location_looks_for_tasks_where_their_folder_is_mounted() -> None:
    code = services()["code"]
    mounted = [volume.rsplit(":", 2)[1] for volume in code["volumes"] if volume.endswith(":ro")]
    assert mounted == [code["environment"]["DISTIL_DAG_TASKS"]]


def test_every_variable_of_compose_has_a_line_in_the_example_of_an_environment() -> None:
    named = some(set(re.findall(r"\$\{(\w+)", (DOCKER / "compose.yaml").read_text())))
    assert named <= set(re.findall(r"^(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))


def test_every_variable_that_the_instance_reads_is_set_by_compose() -> None:
    wanted = some(set(re.findall(r"env: (\w+)", (DOCKER / "dagster.yaml").read_text())))
    for name in ("webserver", "daemon", "code"):
        assert wanted <= set(services()[name]["environment"]), name


def test_a_container_made_anew_knows_the_runs_that_were_lost_with_the_one_before() -> None:
    """The runs' lock files lie in the home, which has to outlive the container."""
    code = services()["code"]
    assert "data:/data" in code["volumes"]
    assert "DISTIL_DAG_HOME=/data" in (DOCKER / "Dockerfile").read_text()


def test_a_run_whose_process_was_lost_is_started_again_wherever_it_runs() -> None:
    here = yaml.safe_load((ROOT / "distil_dag/resources/dagster.yaml").read_text())
    deployed = yaml.safe_load((DOCKER / "dagster.yaml").read_text())
    assert deployed["run_retries"] == some(here["run_retries"])
