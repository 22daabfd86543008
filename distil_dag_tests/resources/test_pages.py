"""Links in metadata lead to where the pages of a run are served, and no link leads to a file."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import pytest

from distil_dag.adapters.run_store import RunStore
from distil_dag.resources.pages import page_metadata, pages_port, pages_url, port_file
from distil_dag.resources.store import StoreResource
from distil_dag.runs.pages import REPORT, run_log

RUN = "home.first"


def test_the_port_is_chosen_once_for_an_installation(home: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        (port,) = set(pool.map(lambda _: pages_port(home), range(8)))
    assert port >= 3001
    assert port_file(home).read_text() == f"{port}\n"
    port_file(home).write_text("4321\n")
    assert pages_url(home) == "http://127.0.0.1:4321"
    port_file(home).write_text("many\n")
    with pytest.raises(ValueError, match=r"pages\.port holds 'many'"):
        pages_url(home)


def test_a_report_is_linked_where_it_is_served_and_its_path_can_be_copied(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = StoreResource(root=str(home / "store"), home=str(home))
    found = store.page(RUN, "report", REPORT)
    assert found == {
        "report": dg.MetadataValue.url(f"http://127.0.0.1:{pages_port(home)}/runs/{RUN}/report.html"),
        "report_path": dg.MetadataValue.path(str(home / "store" / RUN / "eval_report" / "report.html")),
    }
    log = run_log(home, RUN)
    log.parent.mkdir()
    log.touch()
    monkeypatch.setenv("DISTIL_DAG_PAGES_URL", "https://example.org/distil/")
    found = store.page(RUN, "report", REPORT)
    assert found["report"].value == f"https://example.org/distil/runs/{RUN}/report.html"
    assert found["log_of_the_run"].value == f"https://example.org/distil/runs/{RUN}/log.txt"
    assert found["log_of_the_run_path"].value == str(log)
    monkeypatch.setenv("DISTIL_DAG_PAGES_URL", "https://me:word@example.org")
    with pytest.raises(ValueError, match="no user and no password") as caught:
        store.page(RUN, "report", REPORT)
    assert "word@" not in str(caught.value)


@pytest.mark.parametrize("root", ["memory://bucket/store", "https://example.org/store"])
def test_a_store_elsewhere_is_linked_where_a_browser_can_follow(
    home: Path, monkeypatch: pytest.MonkeyPatch, root: str
) -> None:
    store = RunStore(root)
    page = f"{root}/{RUN}/eval_report/report.html"
    here = page_metadata(store, home, RUN, "report", REPORT)
    assert here["report_path"].value == page
    assert here.get("report") == (dg.MetadataValue.url(page) if root.startswith("https") else None)
    monkeypatch.setenv("DISTIL_DAG_PAGES_URL", "https://pages.example.org")
    there = page_metadata(store, home, RUN, "report", REPORT)
    assert there["report"].value == f"https://pages.example.org/runs/{RUN}/report.html"
    assert there["report_path"].value == page
    assert not port_file(home).exists()
