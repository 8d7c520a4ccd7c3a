#!/usr/bin/env python3
"""Runs a JAX sweep and this program in turn on the same work and prints the ratios of their medians.

    pip install "jax[cpu]" numpy
    python benches/peer.py [--seeds 4096] [--repeats 5] [--hidden 3 10] [--gpu]

The work is the paper's experiment (M = 2, I = 50, sigmoid, to convergence or 10,000 steps) on the same data from the same weights; then
every network is evaluated: JAX (benches/jax_peer.py) takes all Hessians and their eigenvalues, this program the traces from which the
bound follows. First, loss and lambda_sup of the starting weights are compared in float64. All run in turn, so that load on the machine
meets them alike; JAX's times exclude its compilation. With --gpu the GPU engine trains in the same turns, on the adapter that
`sharpsweep adapters` lists first.
"""
import argparse
import importlib.util
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PEER = [sys.executable, str(ROOT / "benches/jax_peer.py")]


def output_of(command):
    """What `command` prints to stdout."""
    try:
        return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    except FileNotFoundError:
        sys.exit(f"{command[0]} was not found: this needs Rust, see README.md")
    except subprocess.CalledProcessError as error:
        sys.exit(f"`{' '.join(command)}` ended with exit code {error.returncode}")


def last_line(command):
    """The JSON object that `command` prints last."""
    return json.loads(output_of(command).splitlines()[-1])


def count(text):
    """A whole number of at least 1."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def compare(hidden, options, folder):
    """One row of the table."""
    start = f"{folder}/n{hidden}"
    work = ["--hidden", str(hidden), "--seeds", str(options.seeds)]
    sweep = ["cargo", "run", "--release", "--quiet", "--", "sweep", "--backend", "cpu", "--max-steps", "0", "--out", start]
    bench = ["cargo", "bench", "--quiet", "--bench"]
    output_of(sweep + work)
    difference = last_line([*PEER, start, "--check"])["largest_relative_difference"]
    turns = []
    for _ in range(options.repeats):
        turn = {"peer": last_line([*PEER, start])}
        turn["cpu"] = last_line([*bench, "cpu_engine", "--", "--peer", str(hidden), str(options.seeds)])
        if options.gpu:
            turn["gpu"] = last_line([*bench, "gpu_training", "--", "--json", *work])
        turns.append(turn)

    def median(engine, *fields):
        return statistics.median(sum(turn[engine][field] for field in fields) for turn in turns)

    peer, cpu = (median(engine, "seeds_per_s") for engine in ("peer", "cpu"))
    gpu = median("gpu", "seeds_per_s") if options.gpu else None
    gpu_cells = f"{gpu:.0f} | {gpu / peer:.1f}" if gpu else "- | -"
    peer_us, us = median("peer", "hessian_us_per_seed", "eigvalsh_us_per_seed"), median("cpu", "evaluate_us_per_seed")
    converged = ", ".join(f"{engine} {turns[0][engine]['converged']}" for engine in turns[0])
    print(f"N = {hidden}: converged of {options.seeds}: {converged}; before training loss differs by {difference['loss']:.0e}, "
          f"lambda_sup by {difference['lambda_sup']:.0e} of its size", file=sys.stderr)
    return f"| {hidden} | {peer:.0f} | {cpu:.0f} | {cpu / peer:.1f} | {gpu_cells} | {peer_us:.1f} | {us:.2f} | {peer_us / us:.1f} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=count, default=4096, help="networks of each sweep (default: %(default)s)")
    parser.add_argument("--repeats", type=count, default=5, help="turns, of which medians are taken (default: %(default)s)")
    parser.add_argument("--hidden", type=count, nargs="+", default=[3, 10], help="N, hidden units, a row of the table each (default: 3 10)")
    parser.add_argument("--gpu", action="store_true", help="time the GPU engine too")
    options = parser.parse_args()
    for package in ("jax", "numpy"):
        if importlib.util.find_spec(package) is None:
            sys.exit(f"there is no {package} for {sys.executable}: pip install 'jax[cpu]' numpy")
    print("| N | JAX seeds/s | cpu seeds/s | ratio | gpu seeds/s | ratio | JAX us to evaluate | cpu us | ratio |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for hidden in options.hidden:
            print(compare(hidden, options, folder), flush=True)


if __name__ == "__main__":
    main()
