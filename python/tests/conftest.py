"""What the tests share."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
import sharpsweep as ss

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def ctrl_c_is_heard():
    """A shell that starts a program in the background has it ignore Ctrl-C, and so would Python."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def program() -> str:
    """The command line, to compare with."""
    found = os.environ.get("SHARPSWEEP_PROGRAM") or shutil.which("sharpsweep")
    if found is None:
        pytest.fail("no program to compare with: set SHARPSWEEP_PROGRAM to the path of sharpsweep")
    return found


@pytest.fixture(scope="session")
def run_program(program):
    """Runs the command line; the completed process."""

    def run(*arguments: object, **more: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=300, **more)

    return run


@pytest.fixture(scope="session")
def backends() -> list[str]:
    """The engines of this machine, but for the slow one."""
    if os.environ.get("SHARPSWEEP_SKIP_GPU") == "1":
        return ["cpu"]
    return ["cpu", "gpu"]


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray]:
    """Samples (40, 3) and labels."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=(40, 3))
    return x, (x.sum(axis=1) + 0.3 * rng.normal(size=40) > 0).astype(float)


@pytest.fixture(scope="session")
def small() -> ss.Run:
    """A sweep in memory of which some networks converge."""
    return ss.sweep(seeds=60, max_steps=3000, backend="cpu", spectrum=True, progress=False)
