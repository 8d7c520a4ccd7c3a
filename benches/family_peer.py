#!/usr/bin/env python3
"""Networks of any depth: runs a JAX sweep and this program in turn and prints the ratios of their medians.

    pip install "jax[cpu]" numpy
    python benches/family_peer.py [--repeats 5] [CASE ..]

A CASE is WIDTHS:ACTIVATION:LOSS:SAMPLES:SEEDS:STEPS, such as 2-8-3:tanh:softmax:60:4096:200: the widths of all layers,
inputs first and outputs last, and how many networks take how many steps of gradient descent in float32. By default,
four of them. Then every network is evaluated (at most 256, fewer where the Hessians would pass 512 MiB): JAX takes all
Hessians and their eigenvalues, this program the traces from which the bound follows. First, loss and lambda_sup of the
starting weights are compared in float64. All run in turn, so that load on the machine meets them alike; JAX's times
exclude its compilation.
"""
import argparse
import json
import pathlib
import statistics
import sys
import tempfile
import time
from typing import NamedTuple

from peer import last_line, output_of

try:
    import jax
    import jax.numpy as jnp
    import numpy as np
except ImportError as error:
    sys.exit(f"{sys.argv[0]} needs JAX and NumPy ({error}): pip install 'jax[cpu]' numpy")

DEFAULT = [
    "2-8-3:tanh:softmax:60:4096:400",
    "2-8-8-1:tanh:logistic:50:4096:400",
    "4-16-16-3:relu:softmax:120:1024:200",
    "64-32-10:relu:softmax:500:64:100",
]
# The most by which loss and lambda_sup may differ, relative to their size: both sides compute in float64, and
# lambda_sup of a Hessian near rank 1 takes a root of what is left of differences.
AGREES_WITHIN = 1e-8
STEP_SIZE = 1e-3
ACTIVATIONS = {
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "softplus": jax.nn.softplus,
    "relu": jax.nn.relu,
    "silu": jax.nn.silu,
}


class Case(NamedTuple):
    """An architecture and the work to do with it."""

    widths: tuple[int, ...]
    activation: str
    loss: str
    samples: int
    seeds: int
    steps: int

    @classmethod
    def of(cls, text):
        """From WIDTHS:ACTIVATION:LOSS:SAMPLES:SEEDS:STEPS."""
        widths, activation, loss, *counts = text.split(":")
        samples, seeds, steps = map(int, counts)
        if activation not in ACTIVATIONS or loss not in ("logistic", "softmax", "squared"):
            raise ValueError(text)
        return cls(tuple(map(int, widths.split("-"))), activation, loss, samples, seeds, steps)

    def parameters(self):
        """D."""
        return sum((inputs + 1) * units for inputs, units in zip(self.widths, self.widths[1:]))

    def data(self):
        """Inputs x (I, M) and targets q."""
        draws = np.random.default_rng(0)
        outputs = self.widths[-1]
        x = draws.uniform(-1, 1, (self.samples, self.widths[0]))
        if self.loss == "softmax":
            return x, np.arange(self.samples) % outputs
        if self.loss == "logistic":
            return x, (draws.uniform(size=(self.samples, outputs)) < 0.5).astype(float)
        return x, draws.uniform(-1, 1, (self.samples, outputs))

    def loss_of(self, x, q):
        """The loss L(theta) of one network; theta is W_1 column by column, the biases first, then W_2 and so on."""
        shapes = [(inputs + 1, units) for inputs, units in zip(self.widths, self.widths[1:])]
        ends = np.cumsum([rows * columns for rows, columns in shapes])

        def loss(theta):
            signal = x
            for number, (part, shape) in enumerate(zip(jnp.split(theta, ends[:-1]), shapes)):
                weights = part.reshape(shape)
                signal = weights[0] + signal @ weights[1:]
                if number + 1 < len(shapes):
                    signal = ACTIVATIONS[self.activation](signal)
            if self.loss == "softmax":
                chosen = jnp.take_along_axis(signal, q[:, None], axis=1)[:, 0]
                return jnp.sum(jax.nn.logsumexp(signal, axis=1) - chosen)
            if self.loss == "logistic":
                return jnp.sum(jnp.logaddexp(0, signal) - q * signal)
            return jnp.sum((signal - q) ** 2) / 2

        return loss


def timed(function, *arguments):
    """Seconds that the compiled `function` takes, and its result."""
    compiled = jax.jit(function).lower(*arguments).compile()
    start = time.perf_counter()
    result = jax.block_until_ready(compiled(*arguments))
    return time.perf_counter() - start, result


def run_jax(case):
    """One turn of JAX: training, Hessians, eigenvalues."""
    x, q = case.data()
    loss = case.loss_of(jnp.asarray(x, jnp.float32), jnp.asarray(q))
    gradients = jax.vmap(jax.grad(loss))
    size = (case.seeds, case.parameters())
    theta = jax.random.uniform(jax.random.PRNGKey(0), size, jnp.float32, -1, 1)

    def train(theta):
        return jax.lax.fori_loop(0, case.steps, lambda _, theta: theta - STEP_SIZE * gradients(theta), theta)

    train_s, theta = timed(train, theta)
    networks = max(1, min(case.seeds, 256, (512 << 20) // (4 * case.parameters() ** 2)))
    hessian_s, hessians = timed(jax.vmap(jax.hessian(loss)), theta[:networks])
    eigenvalues_s, _ = timed(jnp.linalg.eigvalsh, hessians)
    us = 1e6 * (hessian_s + eigenvalues_s) / networks
    print(json.dumps({"seed_steps_per_s": case.seeds * case.steps / train_s, "evaluate_us": us}))


def check(case, folder):
    """Compares loss and lambda_sup of a few starting weights with those that this program computes; in float64."""
    jax.config.update("jax_enable_x64", True)
    run = pathlib.Path(folder)
    theta, recorded = np.load(run / "theta.npy"), [np.load(run / f"{name}.npy") for name in ("loss", "lambda_sup")]
    x, q = case.data()
    loss = case.loss_of(jnp.asarray(x), jnp.asarray(q))
    theta = jnp.asarray(theta, jnp.float64)
    eigenvalues = jnp.linalg.eigvalsh(jax.vmap(jax.hessian(loss))(theta))
    size = theta.shape[1]
    bound = eigenvalues.mean(axis=1) + jnp.sqrt(size - 1) * eigenvalues.std(axis=1)
    found = [jax.vmap(loss)(theta), bound]
    differences = [float(np.max(np.abs(np.asarray(a) - b) / np.abs(b))) for a, b in zip(found, recorded)]
    if not all(difference <= AGREES_WITHIN for difference in differences):
        sys.exit(f"JAX and sharpsweep differ on loss and lambda_sup of {case}: {differences}")
    print(json.dumps(dict(zip(("loss", "lambda_sup"), differences))))


def compare(text, repeats):
    """One row of the table."""
    case = Case.of(text)
    peer = [sys.executable, __file__]
    with tempfile.TemporaryDirectory() as folder:
        x, q = case.data()
        np.save(f"{folder}/x.npy", x)
        np.save(f"{folder}/q.npy", q)
        hidden = "x".join(map(str, case.widths[1:-1])) or "none"
        start = ["--max-steps", "0", "--init-range", "1", "--seeds", "8", "--backend", "cpu"]
        network = ["--hidden", hidden, "--activation", case.activation, "--loss", case.loss]
        data = ["--x", f"{folder}/x.npy", "--q", f"{folder}/q.npy"]
        sweep = ["cargo", "run", "--release", "--quiet", "--", "sweep"]
        output_of([*sweep, *network, *data, *start, "--out", f"{folder}/start"])
        difference = last_line([*peer, "--check", f"{folder}/start", text])
    here = ["cargo", "bench", "--quiet", "--bench", "cpu_engine", "--", "--family", ",".join(map(str, case.widths))]
    here += [case.activation, case.loss, str(case.samples), str(case.seeds), str(case.steps)]
    turns = [(last_line([*peer, "--jax", text]), last_line(here)) for _ in range(repeats)]

    def median(program, field):
        return statistics.median(turn[program][field] for turn in turns)

    rates = [median(program, "seed_steps_per_s") for program in (0, 1)]
    times = [median(program, "evaluate_us") for program in (0, 1)]
    share = median(1, "share_of_peak_by_products")
    print(f"{text}: before training loss differs by {difference['loss']:.0e}, lambda_sup by "
          f"{difference['lambda_sup']:.0e} of its size", file=sys.stderr)
    name = f"{'-'.join(map(str, case.widths))} {case.activation} {case.loss}, I = {case.samples}"
    trained = f"{rates[0]:.0f} | {rates[1]:.0f} | {rates[1] / rates[0]:.1f} | {share:.0%}"
    return f"| {name} | {trained} | {times[0]:.0f} | {times[1]:.1f} | {times[0] / times[1]:.0f} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", metavar="CASE", nargs="*", default=DEFAULT, help="see above")
    repeats = "turns, of which medians are taken (default: %(default)s)"
    parser.add_argument("--repeats", type=int, default=5, help=repeats)
    parser.add_argument("--jax", action="store_true", help="one turn of JAX, as a line of JSON")
    parser.add_argument("--check", metavar="RUN", help="compare JAX with the starting weights of RUN")
    options = parser.parse_args()
    if options.jax or options.check:
        for text in options.cases:
            check(Case.of(text), options.check) if options.check else run_jax(Case.of(text))
        return
    heads = ["network", "JAX seed steps/s", "cpu seed steps/s", "ratio", "share of the FMA peak", "JAX us to evaluate"]
    print("| " + " | ".join([*heads, "cpu us", "ratio"]) + " |")
    print("|---" * (len(heads) + 2) + "|", flush=True)
    for text in options.cases:
        print(compare(text, options.repeats), flush=True)


if __name__ == "__main__":
    main()
