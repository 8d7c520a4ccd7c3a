"""Sweeps and evaluations have the bytes of the command line's."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import sharpsweep as ss
from conftest import PROJECT


def files(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(path.glob("*.npy"))}


def in_memory(run: ss.Run) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    return {name: (run[name].dtype.str, run[name].shape, np.ascontiguousarray(run[name]).tobytes()) for name in run}


def assert_same(run: ss.Run, path: Path) -> None:
    """The columns of `run` are those of the directory `path`, byte for byte."""
    assert len(run) > 14
    assert in_memory(run) == in_memory(ss.Run(path))
    # Read by NumPy alone as well.
    for name in run:
        assert np.load(path / f"{name}.npy").tobytes() == np.ascontiguousarray(run[name]).tobytes(), name


# Arguments of a call, and the command line that asks for the same.
CASES = [
    ({"seeds": 60, "max_steps": 300}, "--seeds 60 --max-steps 300"),
    (
        {"seeds": (5, 45), "hidden": 4, "activation": "tanh", "max_steps": 200, "step_size": 0.05, "bounds": True},
        "--seeds 5..45 --hidden 4 --activation tanh --max-steps 200 --step-size 0.05 --bounds",
    ),
    (
        {"seeds": range(10, 40), "shard": (2, 3), "samples": 30, "data_seed": 4, "max_steps": 100, "spectrum": True},
        "--seeds 10..40 --shard 2/3 --samples 30 --data-seed 4 --max-steps 100 --spectrum",
    ),
    (
        {"seeds": 20, "spectrum": ["vectors", "blocks", 3], "brackets": True, "max_steps": 200, "init_range": 2},
        "--seeds 20 --spectrum=vectors,blocks,3 --brackets --max-steps 200 --init-range 2",
    ),
    (
        {"seeds": 8, "weight_decay": 1e-3, "polish": True, "tolerance": 0.1, "max_steps": 200, "brackets": 0.01},
        "--seeds 8 --weight-decay 1e-3 --polish --tolerance 0.1 --max-steps 200 --brackets=0.01",
    ),
    (
        {"seeds": 20, "keep": "summary", "route": "pairwise", "activation": "gelu", "max_steps": 50, "memory": 1},
        "--seeds 20 --keep summary --route pairwise --activation gelu --max-steps 50 --memory 1",
    ),
    (
        {
            "seeds": 10,
            "max_steps": 50,
            "data": "teacher",
            "teacher_hidden": [4, 3],
            "teacher_activation": "gelu",
            "data_inputs": 3,
            "data_label_noise": 0.1,
            "test_samples": 20,
            "data_seed": 2,
        },
        "--seeds 10 --max-steps 50 --data teacher --teacher-hidden 4x3 --teacher-activation gelu --data-inputs 3 "
        "--data-label-noise 0.1 --test-samples 20 --data-seed 2",
    ),
    (
        {"seeds": 10, "max_steps": 50, "data": "mixture", "data_noise": 1, "data_classes": 2, "standardize": True},
        "--seeds 10 --max-steps 50 --data mixture --data-noise 1 --data-classes 2 --standardize",
    ),
]


@pytest.mark.parametrize(("arguments", "line"), CASES)
def test_a_sweep_has_the_bytes_of_the_command_line(tmp_path, run_program, backends, arguments, line):
    for backend in backends:
        theirs = tmp_path / f"theirs-{backend}"
        done = run_program("sweep", *line.split(), "--backend", backend, "--out", theirs)
        assert done.returncode == 0, done.stderr
        run = ss.sweep(**arguments, backend=backend, progress=False)
        assert_same(run, theirs)
        ours = tmp_path / f"ours-{backend}"
        ss.sweep(**arguments, backend=backend, out=ours, progress=False)
        assert files(ours) == files(theirs)
        manifests = [json.loads((path / "manifest.json").read_text()) for path in (ours, theirs)]
        for manifest in [*manifests, run.manifest]:
            del manifest["seconds"], manifest["started"]
        assert manifests[0] == manifests[1]


def test_a_sweep_on_own_data_has_the_bytes_of_the_command_line(tmp_path, run_program, data):
    x, q = data
    for name, values in [("x", x), ("q", q), ("tx", x[:9] * 2), ("tq", q[:9])]:
        np.save(tmp_path / f"{name}.npy", values)
    arguments = ["--x", tmp_path / "x.npy", "--q", tmp_path / "q.npy", "--test-x", tmp_path / "tx.npy"]
    arguments += ["--test-q", tmp_path / "tq.npy", "--standardize", "--seeds", 30, "--max-steps", 60]
    done = run_program("sweep", *arguments, "--backend", "cpu", "--out", tmp_path / "theirs")
    assert done.returncode == 0, done.stderr
    options = {"standardize": True, "seeds": 30, "max_steps": 60, "backend": "cpu", "progress": False}
    run = ss.sweep(x, q, test_x=x[:9] * 2, test_q=q[:9], **options)
    assert_same(run, tmp_path / "theirs")
    assert set(run.data) == {"x", "q", "test_x", "test_q"}
    assert run.manifest["spec"]["data"]["hash"] == ss.Run(tmp_path / "theirs").manifest["spec"]["data"]["hash"]
    # By paths, the manifest too.
    paths = [tmp_path / f"{name}.npy" for name in ("x", "q", "tx", "tq")]
    again = ss.sweep(paths[0], paths[1], test_x=paths[2], test_q=paths[3], **options)
    assert in_memory(again) == in_memory(run)
    assert again.spec == ss.Run(tmp_path / "theirs").spec


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_evaluation_has_the_bytes_of_the_command_line(tmp_path, run_program, backends, dtype):
    theta = np.random.default_rng(1).normal(size=(25, 13)).astype(dtype)
    np.save(tmp_path / "theta.npy", theta)
    for backend in backends:
        out = tmp_path / f"theirs-{backend}"
        line = ["--theta", tmp_path / "theta.npy", "--tolerance", 50, "--spectrum", "--bounds", "--backend", backend]
        done = run_program("evaluate", *line, "--out", out)
        assert done.returncode == 0, done.stderr
        options = {"tolerance": 50, "spectrum": True, "bounds": True, "backend": backend, "progress": False}
        run = ss.evaluate(theta, **options)
        assert_same(run, out)
        assert run["theta"].dtype == dtype
        assert 0 < (run["status"] == 0).sum() < 25
        ss.evaluate(tmp_path / "theta.npy", out=tmp_path / f"ours-{backend}", **options)
        assert files(tmp_path / f"ours-{backend}") == files(out)


def test_networks_on_built_in_data_are_evaluated_on_them():
    options = {"data": "parity", "data_inputs": 3, "data_noise": 0.3, "data_seed": 4, "progress": False}
    run = ss.sweep(seeds=5, max_steps=30, backend="cpu", **options)
    assert run.data["x"].shape == (50, 3) and run.data["test_q"].shape == (100,)
    # Without `hidden`, which follows from the number of weights and of inputs.
    again = ss.evaluate(run["theta"], backend="cpu", **options)
    assert (again["loss"] == run["loss"]).all() and (again["macro_f1"] == run["macro_f1"]).all()
    # K outputs count too, be they classes or values.
    options = {"data": "mixture", "data_classes": 3, "backend": "cpu", "progress": False}
    for loss in ("softmax", "squared"):
        run = ss.sweep(seeds=5, hidden=4, max_steps=5, init_range=1, loss=loss, **options)
        again = ss.evaluate(run["theta"], loss=loss, **options)
        assert again.spec["hidden"] == 4 and (again["loss"] == run["loss"]).all()
    with pytest.raises(ValueError, match="K = 3 outputs: pass hidden"):
        ss.evaluate(run["theta"][:, 1:], loss="squared", **options)


def test_a_grid_is_a_loop(tmp_path, run_program):
    line = ["--hidden", "3,5", "--step-size", "0.05,0.1", "--seeds", 10, "--max-steps", 50, "--backend", "cpu"]
    assert run_program("sweep", *line, "--out", tmp_path / "grid").returncode == 0
    for hidden in (3, 5):
        for step_size in (0.05, 0.1):
            options = {"seeds": 10, "max_steps": 50, "backend": "cpu", "progress": False}
            run = ss.sweep(hidden=hidden, step_size=step_size, **options)
            assert_same(run, tmp_path / "grid" / f"sigmoid-n{hidden}-eta{step_size}")
    with pytest.raises(ss.Error, match="grid of runs"):
        ss.Run(tmp_path / "grid")


def test_the_defaults_are_those_of_the_command_line(tmp_path, run_program):
    assert run_program("sweep", "--max-steps", 5, "--backend", "cpu", "--out", tmp_path / "run").returncode == 0
    spec = ss.sweep(max_steps=5, backend="cpu", progress=False).spec
    assert spec == json.loads((tmp_path / "run/manifest.json").read_text())["spec"]
    work = ss.sweep(seeds=1, hidden=3, samples=2, progress=False).spec["work"]
    assert work["max_steps"] == 10_000


def test_every_option_of_the_command_line_has_its_argument(run_program):
    import inspect

    # What the command line prints, and how; `run.summary(over=...)` has that choice.
    elsewhere = {"json", "over", "help", "version"}
    commands = [
        ("sweep", ss.sweep, 25, set()),
        ("evaluate", ss.evaluate, 25, set()),
        ("reproduce", ss.reproduce, 9, set()),
        # Arguments without a name on the command line, and progress, which it shows of every long work.
        ("resume", ss.resume, 8, {"path"}),
        ("merge", ss.merge, 2, {"paths"}),
        ("check", ss.check, 2, {"progress"}),
    ]
    for command, function, count, unnamed in commands:
        options = set(re.findall(r"^\s+(?:-\w, )?--([a-z-]+)", run_program(command, "--help").stdout, re.MULTILINE))
        assert len(options) > count, command
        wanted = {option.replace("-", "_") for option in options} - elsewhere
        assert wanted == set(inspect.signature(function).parameters) - unnamed, command


def test_theta_moves_into_numpy_without_a_copy(small):
    theta = small["theta"]
    # The memory belongs to what came out of the native module, not to NumPy.
    assert not theta.flags.owndata and theta.flags.writeable and theta.flags.c_contiguous
    assert type(theta.base).__name__ == "PySliceContainer"
    assert small["theta"] is theta


def test_the_version_is_the_crate_s():
    cargo = (PROJECT / "Cargo.toml").read_text()
    assert ss.__version__ == re.search(r'^version = "(.*)"', cargo, re.MULTILINE).group(1)
    assert ss.__version__ == ss.sweep(seeds=1, max_steps=1, progress=False).manifest["version"]


@pytest.mark.parametrize(
    ("hidden", "text", "loss"), [((4, 3), "4x3", "softmax"), ((), "none", "squared"), (3, "3", "logistic")]
)
def test_other_depths_losses_and_weights_have_the_bytes_of_the_command_line(tmp_path, run_program, hidden, text, loss):
    rng = np.random.default_rng(3)
    x, w = rng.normal(size=(12, 2)), rng.uniform(0.5, 2, size=12)
    labels, values = rng.integers(0, 2, (12, 3)), rng.normal(size=(12, 3))
    q = {"softmax": np.arange(12) % 3, "squared": values, "logistic": labels}[loss]
    for name, array in [("x", x), ("q", q), ("w", w)]:
        np.save(tmp_path / f"{name}.npy", array)
    line = f"--hidden {text} --loss {loss} --reduction mean --activation tanh --seeds 4 --max-steps 10 --init-range 1"
    theirs = tmp_path / "theirs"
    files_of = ["--x", tmp_path / "x.npy", "--q", tmp_path / "q.npy", "--sample-weights", tmp_path / "w.npy"]
    done = run_program("sweep", *line.split(), *files_of, "--gauss-newton", "--backend", "reference", "--out", theirs)
    assert done.returncode == 0, done.stderr
    options = {"hidden": hidden, "loss": loss, "reduction": "mean", "sample_weights": w, "activation": "tanh"}
    options |= {"max_steps": 10, "init_range": 1, "gauss_newton": True, "backend": "reference", "progress": False}
    run = ss.sweep(x, q, seeds=4, **options)
    assert_same(run, theirs)
    # The weights as matrices give the outputs.
    h = np.c_[np.ones(12), x]
    *before, last = run.params(2).values()
    for weights in before:
        h = np.c_[np.ones(12), np.tanh(h @ weights.T)]
    z = h @ last.T
    each = {
        "logistic": lambda: (np.logaddexp(0, z) - q * z).sum(1),
        "softmax": lambda: np.logaddexp.reduce(z, axis=1) - z[np.arange(12), q],
        "squared": lambda: ((z - q) ** 2).sum(1) / 2,
    }[loss]()
    assert (w / w.sum() * each).sum() == pytest.approx(run["loss"][2], rel=1e-12)
    np.testing.assert_array_equal(run.data["q"], q)
