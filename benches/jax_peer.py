#!/usr/bin/env python3
"""What one would write without this program: many networks trained and evaluated in JAX, vmapped and compiled.

    pip install "jax[cpu]" numpy
    sharpsweep sweep --seeds 4096 --max-steps 0 --out start
    python benches/jax_peer.py start

RUN is a run of sharpsweep of no step, with sigmoid networks: its data and its weights are where training starts here, so both programs do
the same work. Every network takes steps of gradient descent on the summed cross-entropy until its squared gradient norm is below the
tolerance; the sweep ends when every network has, or after --max-steps. Then the Hessian of every network is taken, and its eigenvalues.
Prints one line of JSON. Times are wall times without compilation.

With --check nothing is trained. In float64, loss and lambda_sup of the weights in RUN are compared with the columns of RUN.
"""
import argparse
import json
import pathlib
import sys
import time

try:
    import jax
    import jax.numpy as jnp
    import numpy as np
except ImportError as error:
    sys.exit(f"{sys.argv[0]} needs JAX and NumPy ({error}): pip install 'jax[cpu]' numpy")

# The most by which loss and lambda_sup may differ, relative to their size: both sides compute in float64.
AGREES_WITHIN = 1e-8


def loss_of(x, q):
    """The loss L(theta) of one network on samples `x` (I, M) with labels `q` (I,)."""
    samples, inputs = x.shape
    with_bias = jnp.concatenate([jnp.ones((samples, 1), x.dtype), x], axis=1)

    def loss(theta):
        # theta is W column by column, the biases first, then v with its bias: D = (M+1)N + N+1.
        hidden = (theta.size - 1) // (inputs + 2)
        w, v = jnp.split(theta, [(inputs + 1) * hidden])
        activations = jax.nn.sigmoid(with_bias @ w.reshape(inputs + 1, hidden))
        z = v[0] + activations @ v[1:]
        return jnp.sum(jnp.logaddexp(0, z) - q * z)

    return loss


def trainer(loss, options):
    """A function from theta (S, D) to trained theta, which networks converged, and the steps that all took together."""
    gradients = jax.vmap(jax.grad(loss))

    def goes_on(state):
        _, converged, step, _ = state
        return (step < options.max_steps) & ~jnp.all(converged)

    def advance(state):
        theta, converged, step, taken = state
        gradient = gradients(theta)
        converged |= jnp.sum(gradient**2, axis=1) < options.tolerance
        moved = jnp.where(converged[:, None], theta, theta - options.step_size * gradient)
        return moved, converged, step + 1, taken + jnp.sum(~converged, dtype=jnp.float32)

    def train(theta):
        start = (theta, jnp.zeros(len(theta), bool), jnp.int32(0), jnp.float32(0))
        theta, converged, _, taken = jax.lax.while_loop(goes_on, advance, start)
        return theta, converged, taken

    return train


def lambda_sup(hessians):
    """The bound of Theorem 1 from (S, D, D): mu + sqrt(D-1) sigma, with the mean mu and the variance of the eigenvalues from two traces."""
    size = hessians.shape[-1]
    mean = jnp.trace(hessians, axis1=1, axis2=2) / size
    variance = jnp.sum(hessians**2, axis=(1, 2)) / size - mean**2
    return mean + jnp.sqrt((size - 1) * jnp.maximum(variance, 0))


def timed(function, *arguments):
    """Seconds that the compiled `function` takes, and its result."""
    compiled = jax.jit(function).lower(*arguments).compile()
    start = time.perf_counter()
    result = jax.block_until_ready(compiled(*arguments))
    return time.perf_counter() - start, result


def column(run, name):
    """The array NAME.npy of a run."""
    try:
        return np.load(run / f"{name}.npy")
    except OSError as error:
        sys.exit(f"{run} is no run of sharpsweep with weights: {error}")


def check(run, loss, hessians, theta):
    """Compares loss and lambda_sup of `theta` with what the run recorded."""
    pairs = {"loss": jax.vmap(loss)(theta), "lambda_sup": lambda_sup(hessians(theta))}
    differences = {}
    for name, values in pairs.items():
        recorded = column(run, name)
        differences[name] = float(np.max(np.abs(np.asarray(values) - recorded) / np.abs(recorded)))
    print(json.dumps({"networks": len(theta), "largest_relative_difference": differences}))
    if not all(difference <= AGREES_WITHIN for difference in differences.values()):
        sys.exit(f"JAX and {run} differ by more than {AGREES_WITHIN}: {differences}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", metavar="RUN", type=pathlib.Path, help="a run of sharpsweep of no step")
    parser.add_argument("--precision", choices=["f32", "f64"], default="f32", help="of everything but --check (default: %(default)s)")
    parser.add_argument("--max-steps", type=int, default=10_000, help="the most steps of a network (default: %(default)s)")
    parser.add_argument("--step-size", type=float, default=0.1, help="eta in theta <- theta - eta dL/dtheta (default: %(default)s)")
    parser.add_argument("--tolerance", type=float, default=1e-3, help="of the squared gradient norm (default: %(default)s)")
    parser.add_argument("--check", action="store_true", help="compare with the columns of RUN instead of training")
    options = parser.parse_args()

    wide = options.check or options.precision == "f64"
    jax.config.update("jax_enable_x64", wide)
    theta, x, q = (jnp.asarray(column(options.run, name), jnp.float64 if wide else jnp.float32) for name in ("theta", "data/x", "data/q"))
    loss = loss_of(x, q)
    hessians = jax.vmap(jax.hessian(loss))
    if options.check:
        check(options.run, loss, hessians, theta)
        return
    train_s, (theta, converged, taken) = timed(trainer(loss, options), theta)
    hessian_s, matrices = timed(hessians, theta)
    eigenvalues_s, _ = timed(jnp.linalg.eigvalsh, matrices)
    seeds = len(theta)
    finite = np.asarray(lambda_sup(matrices))[np.asarray(converged)]
    print(json.dumps({
        "peer": f"jax {jax.__version__}",
        "precision": options.precision,
        "seeds": seeds,
        "train_s": train_s,
        "converged": int(converged.sum()),
        "median_lambda_sup": float(np.median(finite)) if len(finite) else None,
        "useful_sample_steps_per_s": float(taken) * len(x) / train_s,
        "seeds_per_s": seeds / train_s,
        "hessian_us_per_seed": 1e6 * hessian_s / seeds,
        "eigvalsh_us_per_seed": 1e6 * eigenvalues_s / seeds,
    }))


if __name__ == "__main__":
    main()
