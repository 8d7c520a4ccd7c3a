"""Signals, threads, processes, progress and the log."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import sharpsweep as ss
from sharpsweep._progress import is_advice_heard

LONG = {"seeds": 5_000_000, "hidden": 10, "backend": "cpu", "progress": False}
FEW = {"seeds": 6, "max_steps": 30, "backend": "cpu", "progress": False}


def interrupted_after(seconds: float, work) -> float:
    """Sends Ctrl-C after so many seconds; how long after it KeyboardInterrupt comes."""
    sent = []

    def send() -> None:
        time.sleep(seconds)
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            work()
        return time.monotonic() - sent[0]
    finally:
        thread.join()


def test_ctrl_c_raises_keyboard_interrupt_within_two_seconds(backends):
    for backend in backends:
        took = interrupted_after(1.0, lambda: ss.sweep(**{**LONG, "backend": backend}))
        assert took < 2.0, backend
        # The module works on.
        assert len(ss.sweep(**{**FEW, "backend": backend})["loss"]) == 6


def test_ctrl_c_in_an_evaluation_and_in_long_eigenvalue_solves(data):
    x, q = data
    theta = np.random.default_rng(0).normal(size=(2_000, 5 * 60 + 1))
    options = {"spectrum": "all", "backend": "reference", "progress": False}
    assert interrupted_after(1.0, lambda: ss.evaluate(theta, x, q, **options)) < 2.0


def test_a_run_that_ctrl_c_stopped_keeps_its_finished_rows(tmp_path):
    rows = []
    options = {"out": tmp_path / "run", "progress": lambda done, total: rows.append(done)}
    interrupted_after(6.0, lambda: ss.sweep(**{**LONG, **options}))
    run = ss.Run(tmp_path / "run")
    assert not run.finished and 0 < rows[-1] < 5_000_000
    assert (run["status"] != 255).sum() == rows[-1]
    assert "not finished: go on with sharpsweep.resume" in repr(run)


def test_an_exception_of_the_callback_stops_the_work():
    class Enough(Exception):
        pass

    def stop(done: int, total: int) -> None:
        raise Enough

    begun = time.monotonic()
    with pytest.raises(Enough):
        ss.sweep(**{**LONG, "progress": stop})
    assert time.monotonic() - begun < 5


def test_progress_counts_up_to_all_networks():
    seen: list[tuple[int, int]] = []
    ss.sweep(**{**FEW, "seeds": 3000, "progress": lambda done, total: seen.append((done, total))})
    assert seen[0] == (0, 3000) and seen[-1] == (3000, 3000)
    assert seen == sorted(seen)


def test_a_bar_goes_to_stderr_where_tqdm_is_and_nothing_else_is_printed():
    pytest.importorskip("tqdm")
    code = "import sharpsweep as ss; ss.sweep(seeds=10, max_steps=20, backend='cpu', progress={})"
    for progress, bar in [("False", False), ("None", False), ("True", True)]:
        environment = {**os.environ, "TQDM_DISABLE": "0"}
        done = subprocess.run(
            [sys.executable, "-c", code.format(progress)], capture_output=True, text=True, check=True, env=environment
        )
        assert done.stdout == ""
        # Standard error is no terminal here, so there is a bar only if it is forced.
        assert ("10/10" in done.stderr) == bar, done.stderr
        # Python shows warnings of a log that nobody has set up.
        assert done.stderr.count("try more max_steps") == 1


def test_the_choice_of_the_engine_goes_to_the_log(caplog):
    with caplog.at_level(logging.INFO, logger="sharpsweep"):
        ss.sweep(**FEW)
    assert any("engine: cpu" in record.message for record in caplog.records)
    # Options are named as arguments.
    assert any('asked for by backend="cpu"' in record.message for record in caplog.records)
    assert not any("--" in record.message for record in caplog.records)


def advice(caplog, work) -> list[str]:
    """What is advised while the work is done."""
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="sharpsweep"):
        work()
    return [record.message for record in caplog.records if record.levelno == logging.WARNING]


def test_the_advice_of_the_command_line_goes_to_the_log_as_warnings(caplog, data, tmp_path, run_program):
    x, q = data
    scaled = x * 1000 + 5
    years = 1.7e9 + x
    for name, values in [("x", x), ("scaled", scaled), ("years", years), ("q", q), ("ones", np.ones(40))]:
        np.save(tmp_path / f"{name}.npy", values)
    theta = np.random.default_rng(0).normal(size=(4, 16))
    np.save(tmp_path / "theta.npy", theta)

    def theirs(command: str, samples: str, labels: str, line: str) -> list[str]:
        arguments = ["--x", tmp_path / f"{samples}.npy", "--q", tmp_path / f"{labels}.npy", *line.split()]
        done = run_program(command, *arguments, "--backend", "cpu", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return [line for line in done.stderr.splitlines() if not line.startswith("engine:")]

    def same(ours: list[str], theirs: list[str]) -> bool:
        def plain(text: str) -> str:
            return text.replace("--", "").replace("-", "_").replace('="', " ").replace('"', "")

        return list(map(plain, ours)) == list(map(plain, theirs))

    short = {"seeds": 12, "max_steps": 3, "backend": "cpu", "progress": False}
    for samples, labels, more, says in [
        ("x", "q", {}, "try more max_steps"),
        ("scaled", "q", {"init_range": 0.1}, "scale x yourself"),
        ("years", "q", {}, "float32 sees other data"),
        ("x", "ones", {"tolerance": 1e9}, "all 40 labels are 1"),
        ("x", "q", {"step_size": 50.0}, "the loss rises for"),
        ("x", "q", {"step_size": 1e38, "activation": "linear", "max_steps": 9}, "diverged"),
        ("x", "q", {"tolerance": 1e-9, "init_range": 1e-3, "step_size": 1e-3, "max_steps": 20}, "max_steps"),
    ]:
        arrays = {"x": x, "scaled": scaled, "years": years}[samples], np.ones(40) if labels == "ones" else q
        options = {**short, **more}
        line = " ".join(f"--{name.replace('_', '-')} {options[name]}" for name in options if name[0] not in "bp")
        expected = theirs("sweep", samples, labels, line)
        out = tmp_path / f"{samples}-{labels}-{says.replace(' ', '-')}"
        for place in (None, out):
            found = advice(caplog, lambda: ss.sweep(*arrays, **options, out=place))
            assert any(says in text for text in found), found
            assert same(found, expected), (found, expected)
    # Evaluations on the processor round nothing, and judge no training.
    line = f"--theta {tmp_path / 'theta.npy'}"
    for samples, labels in [("x", "q"), ("years", "q"), ("x", "ones")]:
        arrays = years if samples == "years" else x, np.ones(40) if labels == "ones" else q
        found = advice(caplog, lambda: ss.evaluate(theta, *arrays, backend="cpu", progress=False))
        assert same(found, theirs("evaluate", samples, labels, line)) and bool(found) == (labels == "ones")


def test_advice_that_nobody_hears_is_not_looked_for(caplog, monkeypatch):
    options = {**FEW, "max_steps": 1}
    assert any("try more max_steps" in text for text in advice(caplog, lambda: ss.sweep(**options)))
    monkeypatch.setattr("sharpsweep._sweep.is_advice_heard", lambda: False)
    assert advice(caplog, lambda: ss.sweep(**options)) == []
    with caplog.at_level(logging.ERROR, logger="sharpsweep"):
        assert not is_advice_heard()
    with caplog.at_level(logging.WARNING, logger="sharpsweep"):
        assert is_advice_heard()


def test_rounding_by_a_graphics_card_is_advised(caplog, backends, data):
    if "gpu" not in backends:
        pytest.skip("SHARPSWEEP_SKIP_GPU is set")
    theta = np.random.default_rng(0).normal(size=(4, 16))
    options = {"backend": "gpu", "progress": False}
    found = advice(caplog, lambda: ss.evaluate(theta, data[0] + 1.7e9, data[1], **options))
    assert found[0] == 'theta is float64: this engine rounds it to float32 (backend="cpu" does not)'
    assert any("evaluation in float32 sees other data" in text for text in found)


def test_other_threads_of_python_run_meanwhile():
    ticks, done = [], threading.Event()

    def tick() -> None:
        while not done.is_set():
            ticks.append(time.monotonic())
            time.sleep(0.005)

    thread = threading.Thread(target=tick)
    thread.start()
    begun = time.monotonic()
    ss.sweep(seeds=2_000, hidden=10, backend="cpu", progress=False)
    took = time.monotonic() - begun
    done.set()
    thread.join()
    # Two cores are busy; a lock that is kept would leave two ticks.
    assert took > 0.2 and len(ticks) > 20 * took


def test_sweeps_in_several_threads_have_their_bytes(backends):
    for backend in backends:
        options = {**FEW, "backend": backend, "seeds": 40}
        expected = [ss.sweep(**options, data_seed=k)["theta"].tobytes() for k in range(4)]
        found: dict[int, bytes] = {}

        def work(k: int, options: dict, found: dict) -> None:
            found[k] = ss.sweep(**options, data_seed=k)["theta"].tobytes()

        threads = [threading.Thread(target=work, args=(k, options, found)) for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [found[k] for k in range(4)] == expected


def _sweep(backend: str) -> bytes:
    return ss.sweep(**{**FEW, "backend": backend})["theta"].tobytes()


def test_spawned_processes_work(backends):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        for backend in backends:
            assert pool.map(_sweep, [backend] * 3) == [_sweep(backend)] * 3


def _in_a_fork(backend: str, queue) -> None:
    try:
        queue.put(_sweep(backend))
    except Exception as error:
        queue.put(f"{type(error).__name__}: {error}")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fork_with_an_open_device_gets_a_clear_error(backends):
    fork = multiprocessing.get_context("fork")
    for backend in backends:
        _sweep(backend)
        queue = fork.Queue()
        child = fork.Process(target=_in_a_fork, args=(backend, queue))
        child.start()
        answer = queue.get(timeout=20)
        child.join(20)
        assert child.exitcode == 0
        assert isinstance(answer, str) and answer.startswith("Error: this process") and "spawn" in answer


def test_a_fork_of_a_process_that_only_imported_the_module_works():
    code = (
        "import os, sys, sharpsweep as ss\n"
        "pid = os.fork()\n"
        "ss.sweep(seeds=4, max_steps=5, backend='cpu', progress=False)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) if pid else 0)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_it_loads_and_sweeps_where_no_vulkan_is():
    code = (
        "import sharpsweep as ss\n"
        "run = ss.sweep(seeds=4, max_steps=5, progress=False)\n"
        "assert run.manifest['engine']['engine'] == 'cpu', run.manifest\n"
        "try:\n"
        "    ss.sweep(seeds=4, backend='gpu', progress=False)\n"
        "except ss.Error as error:\n"
        "    print(error)\n"
    )
    # The loader finds no driver by these names.
    environment = {**os.environ, "VK_DRIVER_FILES": "/nonexistent", "VK_ICD_FILENAMES": "/nonexistent"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "no Vulkan, Metal or DX12 adapter" in done.stdout and 'backend="cpu"' in done.stdout
