#!/usr/bin/env python3
"""Runs the JAX peer and this program in turn on the same work and prints the ratios of their medians.

    pip install "jax[cpu]" numpy
    python benches/peer.py [--peer ../shared/peers/jax_sweep.py] [--seeds 4096] [--repeats 5] [--hidden 3 10]

The work is the paper's experiment (M = 2, I = 50, sigmoid, to convergence or 10,000 steps); then every network is evaluated: the peer takes
all Hessians and their eigenvalues, this program the traces from which the bound follows. Both run in turn, so that load on the machine
meets both alike; the peer's times exclude its compilation.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def last_line(command):
    """The JSON object that `command` prints last."""
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", type=pathlib.Path, default=ROOT / "../shared/peers/jax_sweep.py")
    parser.add_argument("--seeds", type=int, default=4096)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--hidden", type=int, nargs="+", default=[3, 10])
    options = parser.parse_args()
    bench = ["cargo", "bench", "--quiet", "--bench", "cpu_engine", "--", "--peer"]
    print("| N | peer seeds/s | ours seeds/s | ratio | peer us to evaluate | ours us | ratio |")
    print("|---|---|---|---|---|---|---|")
    for hidden in options.hidden:
        work = [str(hidden), str(options.seeds)]
        pairs = []
        for _ in range(options.repeats):
            theirs = last_line([sys.executable, str(options.peer), *work, "f32"])
            pairs.append((theirs, last_line(bench + work)))
        peer_rate, rate = (statistics.median(pair[k]["seeds_per_s"] for pair in pairs) for k in (0, 1))
        peer_us = statistics.median(theirs["hessian_us_per_seed"] + theirs["eigvalsh_us_per_seed"] for theirs, _ in pairs)
        us = statistics.median(ours["evaluate_us_per_seed"] for _, ours in pairs)
        print(f"| {hidden} | {peer_rate:.0f} | {rate:.0f} | {rate / peer_rate:.1f} | {peer_us:.1f} | {us:.2f} | {peer_us / us:.1f} |", flush=True)


if __name__ == "__main__":
    main()
