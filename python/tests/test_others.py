"""Resume, merge, brackets of a matrix, adapters and the check."""

from __future__ import annotations

import json
import os
import signal
import threading

import numpy as np
import pytest
import sharpsweep as ss
from test_sweep import files

OPTIONS = {"max_steps": 100, "backend": "cpu", "progress": False}


def cut_off(out, rows: int, **options) -> None:
    """A sweep that an exception ends once some rows are written."""

    class Enough(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done >= rows:
            raise Enough

    with pytest.raises(Enough):
        ss.sweep(**{**OPTIONS, **options, "out": out, "progress": stop})


@pytest.mark.parametrize("backend", ["cpu", "gpu"])
def test_a_resumed_run_has_the_bytes_of_an_undisturbed_one(tmp_path, backends, backend):
    if backend not in backends:
        pytest.skip("SHARPSWEEP_SKIP_GPU is set")
    options = {"seeds": 40_000 if backend == "cpu" else 5_000, "backend": backend, "max_steps": 60}
    cut_off(tmp_path / "cut", 1, **options)
    assert not ss.Run(tmp_path / "cut").finished
    whole = ss.sweep(**{**OPTIONS, **options}, out=tmp_path / "whole")
    resumed = ss.resume(tmp_path / "cut", progress=False)
    assert resumed.finished and files(tmp_path / "cut") == files(tmp_path / "whole")
    assert resumed.spec == whole.spec
    again = ss.resume(tmp_path / "cut", progress=False)
    assert again["loss"].tobytes() == whole["loss"].tobytes()


def test_an_interrupted_evaluation_is_resumed_without_its_networks(tmp_path, small):
    theta = np.repeat(small["theta"], 2000, axis=0)
    options = {"backend": "cpu", "progress": False}
    whole = ss.evaluate(theta, **options, out=tmp_path / "whole")

    def interrupt(done: int, total: int) -> None:
        if done:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        ss.evaluate(theta, **{**options, "progress": interrupt}, out=tmp_path / "cut")
    assert threading.current_thread() is threading.main_thread()
    resumed = ss.resume(tmp_path / "cut", progress=False)
    assert files(tmp_path / "cut") == files(tmp_path / "whole") and len(resumed["loss"]) == len(whole["loss"])


def test_a_sweep_is_extended_by_seeds_and_steps(tmp_path):
    ss.sweep(**OPTIONS, seeds=30, out=tmp_path / "run")
    longer = ss.resume(tmp_path / "run", seeds=50, max_steps=300, progress=False)
    ss.sweep(**{**OPTIONS, "max_steps": 300}, seeds=50, out=tmp_path / "whole")
    assert files(tmp_path / "run") == files(tmp_path / "whole") and len(longer["seed"]) == 50
    with pytest.raises(ss.Error, match="give an end above 50"):
        ss.resume(tmp_path / "run", seeds=20, progress=False)
    with pytest.raises(ss.Error, match="no run directory"):
        ss.resume(tmp_path, progress=False)
    with pytest.raises(ss.Error, match="begun with something else"):
        ss.resume(tmp_path / "run", seeds=60, backend="reference", progress=False)


def test_shards_of_python_and_of_the_command_line_are_merged(tmp_path, run_program, data):
    x, q = data
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "q.npy", q)
    parts = [tmp_path / f"part-{k}" for k in (1, 2, 3)]
    for k in (1, 2):
        ss.sweep(x, q, **OPTIONS, seeds=20, shard=(k, 3), out=parts[k - 1])
    line = f"--seeds 20 --shard 3/3 --max-steps 100 --backend cpu --x {tmp_path}/x.npy --q {tmp_path}/q.npy"
    done = run_program("sweep", *line.split(), "--out", parts[2])
    assert done.returncode == 0, done.stderr
    merged = ss.merge(parts[::-1], tmp_path / "merged")
    ss.sweep(x, q, **OPTIONS, seeds=20, out=tmp_path / "whole")
    assert isinstance(merged, ss.Run) and files(tmp_path / "merged") == files(tmp_path / "whole")
    assert len(merged.manifest["parts"]) == 3
    with pytest.raises(ss.Error, match="in none of them"):
        ss.merge(parts[:2], tmp_path / "less")
    with pytest.raises(ValueError, match="one path"):
        ss.merge(str(parts[0]), tmp_path / "one")
    other = ss.sweep(x, q, **{**OPTIONS, "backend": "reference"}, seeds=20, shard=(3, 3), out=tmp_path / "other")
    with pytest.raises(ss.Error, match="allow_mixed_engines merges them all the same"):
        ss.merge([*parts[:2], other.path], tmp_path / "mixed")
    assert ss.merge([*parts[:2], other.path], tmp_path / "mixed", allow_mixed_engines=True).finished


def test_shards_of_grids_are_merged_by_name(tmp_path, run_program):
    for k in (1, 2):
        line = f"--hidden 2,3 --seeds 10 --max-steps 20 --backend cpu --shard {k}/2"
        assert run_program("sweep", *line.split(), "--out", tmp_path / f"part-{k}").returncode == 0
    merged = ss.merge([tmp_path / "part-1", tmp_path / "part-2"], tmp_path / "grid")
    assert {name: len(run["seed"]) for name, run in merged.items()} == {
        "sigmoid-n2-eta0.1": 10,
        "sigmoid-n3-eta0.1": 10,
    }


@pytest.mark.parametrize("asked", ["four", "eight", 1e-8])
@pytest.mark.parametrize("size", [1, 2, 5, 40])
def test_a_bracket_holds_the_eigenvalues_that_numpy_finds(size, asked):
    rng = np.random.default_rng(size)
    for scale in (1e-9, 1.0, 1e9):
        matrix = rng.normal(size=(size, size)) * scale
        matrix = matrix + matrix.T
        least, most = np.linalg.eigvalsh(matrix)[[0, -1]]
        near = 1e-13 * np.linalg.norm(matrix)
        found = ss.bracket(matrix, asked)
        assert found.lower - near <= most <= found.upper + near
        assert found.min_lower - near <= least <= found.min_upper + near
        if asked == 1e-8:
            assert found.width <= 1e-8
        assert ss.bracket(np.asfortranarray(matrix), asked) == found


def test_what_is_no_symmetric_matrix_is_refused():
    for matrix, says in [
        (np.zeros((2, 3)), "square"),
        (np.zeros(3), "square"),
        (np.array([[1.0, 2.0], [2.5, 1.0]]), r"not symmetric: matrix\[1, 0\] is 2.5e0"),
        (np.array([[1.0, np.nan], [np.nan, 1.0]]), r"matrix\[0, 1\] is NaN"),
        (np.array([["a"]]), "matrix.astype"),
    ]:
        with pytest.raises(ValueError, match=says):
            ss.bracket(matrix)
    with pytest.raises(ValueError, match="four, eight or a width"):
        ss.bracket(np.eye(2), "nine")
    assert ss.bracket(np.eye(3, dtype=int)).upper == pytest.approx(1)


def test_adapters_are_those_of_the_command_line(run_program, backends):
    theirs = json.loads(run_program("adapters", "--json").stdout)["adapters"]
    assert ss.adapters() == theirs and (theirs or backends == ["cpu"])


def test_the_check_of_an_adapter_holds(backends):
    seen = []
    found = ss.check(progress=lambda done, total: seen.append((done, total)))
    assert found["holds"] and found["off"] == [] and len(found["results"]) > 3
    assert (found["adapter"] is not None) == ("gpu" in backends)
    assert seen[-1][0] == seen[-1][1] > 10
    with pytest.raises(ss.Error):
        ss.check("no such card")
