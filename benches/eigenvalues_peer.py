"""Runs `cargo bench --bench eigenvalues` and JAX's eigvalsh in turn and prints the ratios at D = 13 and 41.

    pip install "jax[cpu]"
    python benches/eigenvalues_peer.py [ROUNDS]
"""
import re
import statistics
import subprocess
import sys
import time

import jax
import numpy as np

COMMAND = ["cargo", "bench", "--quiet", "--bench", "eigenvalues"]


def peer(size, matrices):
    """Microseconds per matrix of a jitted, batched f32 eigvalsh: the median of seven runs."""
    random = np.random.default_rng(size).normal(size=(matrices, size, size)).astype(np.float32)
    batch = jax.device_put(random + random.transpose(0, 2, 1))
    eigenvalues = jax.jit(jax.numpy.linalg.eigvalsh)
    eigenvalues(batch).block_until_ready()
    seconds = []
    for _ in range(7):
        start = time.perf_counter()
        eigenvalues(batch).block_until_ready()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds) / matrices * 1e6


def ours():
    """Microseconds per matrix of the CPU engine, by D."""
    text = subprocess.run(COMMAND, check=True, capture_output=True, text=True).stdout
    return {int(size): float(us) for size, us in re.findall(r"D = +(\d+) +cpu +([\d.]+)", text)}


rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
subprocess.run(COMMAND + ["--no-run"], check=True)
ratios = {13: [], 41: []}
for _ in range(rounds):
    found = ours()
    for size, column in ratios.items():
        theirs = peer(size, (1 << 22) // (size * size))
        column.append(theirs / found[size])
        print(f"D = {size}: JAX {theirs:.2f} us, cpu engine {found[size]:.2f} us, ratio {column[-1]:.1f}", flush=True)
for size, column in ratios.items():
    print(f"D = {size}: median ratio {statistics.median(column):.1f}")
