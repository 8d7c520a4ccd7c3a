"""The paper's experiment from Python, against the command line's."""

from __future__ import annotations

import inspect
import json
import logging
import os
import re
import signal
from pathlib import Path

import pytest
import sharpsweep as ss

FEW = {"seeds": 24, "data_seeds": 2, "backend": "cpu", "progress": False}


def tree(path: Path) -> dict[str, bytes]:
    """Every file by its path, without what differs between two calls: times and the place."""
    found = {}
    for file in sorted(file for file in path.rglob("*") if file.is_file()):
        content = file.read_bytes().replace(str(path).encode(), b"OUT")
        if file.name == "manifest.json":
            manifest = json.loads(content)
            del manifest["seconds"], manifest["started"]
            content = json.dumps(manifest).encode()
        if file.name == "report.html":
            content = re.sub(rb"(started|total|train|evaluate)(&#34;: )[^,\n]*", rb"\1\2", content)
        found[file.relative_to(path).as_posix()] = content
    return found


@pytest.fixture(scope="module")
def both(tmp_path_factory, run_program):
    """A reproduction from Python, and the same by the command line."""
    place = tmp_path_factory.mktemp("reproduce")
    line = "--seeds 24 --data-seeds 2 --backend cpu --json --out"
    done = run_program("reproduce", *line.split(), place / "theirs")
    assert done.returncode == 0, done.stderr
    return ss.reproduce(**FEW, out=place / "ours"), place / "theirs", done


def test_a_reproduction_has_the_files_and_bytes_of_the_command_line(both):
    ours, theirs, _ = both
    found, expected = tree(ours.path), tree(theirs)
    assert set(found) == set(expected) and len(found) > 100
    # The list has the digest of the page, which shows times.
    assert {name for name in found if found[name] != expected[name]} <= {"files.json"}
    figures = ss.Reproduction(theirs).figures
    assert list(figures) == list(ours.figures) and {f"figure-{k:02}" for k in range(2, 14)} < set(figures)


def test_its_tables_are_data(both):
    ours, _, done = both
    published, draws = ours.tables
    assert [table._found for table in ours.tables] == json.loads(done.stdout)
    assert "Published against here" in published.title and len(draws.rows) == 2
    assert any(holds is True for holds in published.holds) and len(published.holds) == len(published.rows)
    # Marks are for pages: neither the text nor the frame has them.
    assert "λ_sup" in repr(draws) and "{" not in repr(ours) and "460 of 500" in repr(ours)
    assert any("5.44×10^−5" in row for row in published.rows)  # noqa: RUF001
    assert "λ<sub>sup</sub>" in ours._repr_html_() and ours._repr_html_().count("<table>") == 2
    assert str(ours.page) in repr(ours) and ours.page.read_text(encoding="utf-8").startswith("<!")
    pandas = pytest.importorskip("pandas")
    frame = draws.to_pandas()
    assert isinstance(frame, pandas.DataFrame) and list(frame.index) == ["0", "1"]
    assert frame.loc["0", "converged, N = 3"] == str((ours.runs[0, 3]["status"] == 0).sum())


def test_its_runs_are_runs(both):
    ours, _, _ = both
    assert list(ours.runs) == [(0, 3), (0, 10), (1, 3), (1, 10)]
    sweep = ss.sweep(seeds=24, hidden=10, data_seed=1, backend="cpu", progress=False)
    assert ours.runs[1, 10]["theta"].tobytes() == sweep["theta"].tobytes()


def test_what_cannot_be_used_is_refused_before_work(both, tmp_path):
    ours, _, _ = both
    with pytest.raises(ss.Error, match="already holds .* choose another out"):
        ss.reproduce(**FEW, out=ours.path)
    for arguments, says in [
        ({"seeds": 0}, "seeds"),
        ({"data_seeds": (3, 3)}, "data_seeds"),
        ({"data_seeds": [1, 2]}, "data_seeds is a list"),
        ({"backend": "cpu", "adapter": 0}, r'adapter names a graphics adapter: use it with backend="gpu"'),
        ({"dispatch_ms": 0}, "dispatch_ms"),
        ({"memory": 0}, "memory"),
    ]:
        with pytest.raises(ValueError, match=says):
            ss.reproduce(**{**FEW, **arguments}, out=tmp_path / "new")
    assert not (tmp_path / "new").exists()
    with pytest.raises(ss.Error, match="no finished reproduction"):
        ss.Reproduction(tmp_path)


def test_progress_and_sentences_are_heard_and_ctrl_c_stops_it(tmp_path, caplog):
    seen = []

    def interrupt(done: int, total: int) -> None:
        seen.append((done, total))
        if len(seen) == 3:
            os.kill(os.getpid(), signal.SIGINT)

    with caplog.at_level(logging.INFO, logger="sharpsweep"), pytest.raises(KeyboardInterrupt):
        ss.reproduce(**{**FEW, "data_seeds": 8, "progress": interrupt}, out=tmp_path / "cut")
    assert any('asked for by backend="cpu"' in record.message for record in caplog.records)
    assert not (tmp_path / "cut/report.html").exists()


def test_the_defaults_are_those_of_the_command_line(run_program):
    parameters = inspect.signature(ss.reproduce).parameters
    text = run_program("reproduce", "--help").stdout
    for name in ("seeds", "data_seeds", "out", "dispatch_ms", "memory"):
        assert f"[default: {parameters[name].default}]" in text, name
