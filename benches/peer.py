#!/usr/bin/env python3
"""Runs the JAX peer and this program in turn on the same work and prints the ratios of their medians.

    pip install "jax[cpu]" numpy
    python benches/peer.py [--peer ../shared/peers/jax_sweep.py] [--seeds 4096] [--repeats 5] [--hidden 3 10] [--gpu]

The work is the paper's experiment (M = 2, I = 50, sigmoid, to convergence or 10,000 steps); then every network is evaluated: the peer takes
all Hessians and their eigenvalues, this program the traces from which the bound follows. All run in turn, so that load on the machine
meets them alike; the peer's times exclude its compilation. With --gpu the GPU engine trains in the same turns, on the adapter that
`sharpsweep adapters` lists first.
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
    parser.add_argument("--gpu", action="store_true")
    options = parser.parse_args()
    bench = ["cargo", "bench", "--quiet", "--bench"]
    print("| N | peer seeds/s | cpu seeds/s | ratio | gpu seeds/s | ratio | peer us to evaluate | cpu us | ratio |")
    print("|---|---|---|---|---|---|---|---|---|")
    for hidden in options.hidden:
        work = [str(hidden), str(options.seeds)]
        turns = []
        for _ in range(options.repeats):
            turn = {"peer": last_line([sys.executable, str(options.peer), *work, "f32"])}
            turn["cpu"] = last_line([*bench, "cpu_engine", "--", "--peer", *work])
            if options.gpu:
                turn["gpu"] = last_line([*bench, "gpu_training", "--", "--json", "--hidden", work[0], "--seeds", work[1]])
            turns.append(turn)

        def median(engine, *fields):
            return statistics.median(sum(turn[engine][field] for field in fields) for turn in turns)

        peer, cpu = (median(engine, "seeds_per_s") for engine in ("peer", "cpu"))
        gpu = median("gpu", "seeds_per_s") if options.gpu else None
        gpu_cells = f"{gpu:.0f} | {gpu / peer:.1f}" if gpu else "- | -"
        peer_us, us = median("peer", "hessian_us_per_seed", "eigvalsh_us_per_seed"), median("cpu", "evaluate_us_per_seed")
        print(f"| {hidden} | {peer:.0f} | {cpu:.0f} | {cpu / peer:.1f} | {gpu_cells} | {peer_us:.1f} | {us:.2f} | {peer_us / us:.1f} |", flush=True)


if __name__ == "__main__":
    main()
