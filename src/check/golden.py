"""Makes golden.json anew from the networks and data that it holds: every value by automatic differentiation in float64.

    pip install "jax[cpu]" numpy
    python src/check/golden.py          # says by how much its values differ from those that were there

A case with a `training` also holds where gradient descent on the loss with weight decay, L + alpha |theta|^2 / 2, takes
its networks in a few steps.
"""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import erf

jax.config.update("jax_enable_x64", True)

FILE = Path(__file__).with_name("golden.json")
ACTIVATIONS = {
    "linear": lambda y: y,
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "softplus": jax.nn.softplus,
    "gelu": lambda y: 0.5 * y * (1 + erf(y / jnp.sqrt(2.0))),
    "relu": jax.nn.relu,
    "silu": jax.nn.silu,
    "erf": erf,
    "square": jnp.square,
}


def made(case):
    """The case with its values. Data and weights are f32 numbers; theta is [w; v], w[m N + n] = W[n, m], v_0 first."""
    x, q, theta = (np.float64(np.array(case[name], dtype=np.float32)) for name in ("x", "q", "theta"))
    hidden, f = case["hidden"], ACTIVATIONS[case["activation"]]
    weights = (x.shape[1] + 1) * hidden
    inputs = np.c_[np.ones(len(x)), x]

    def loss(theta):
        w, v = theta[:weights].reshape(-1, hidden), theta[weights:]
        z = v[0] + f(inputs @ w) @ v[1:]
        return jnp.sum(jnp.logaddexp(0.0, z) - q * z)

    hessians = np.array(jax.vmap(jax.hessian(loss))(theta))
    diagonals = np.diagonal(hessians, axis1=1, axis2=2)
    spectra = np.linalg.eigvalsh((hessians + hessians.transpose(0, 2, 1)) / 2)
    values = {
        "loss": jax.vmap(loss)(theta),
        "gradient_sq": (np.array(jax.vmap(jax.grad(loss))(theta)) ** 2).sum(1),
        "trace_ww": diagonals[:, :weights].sum(1),
        "trace_vv": diagonals[:, weights:].sum(1),
        "trace_sq": (hessians**2).sum((1, 2)),
        "lambda_max": spectra[:, -1],
        "lambda_min": spectra[:, 0],
    }
    values = {name: np.array(value).tolist() for name, value in values.items()}
    if training := case.get("training"):
        step = jax.grad(lambda theta: loss(theta) + 0.5 * training["weight_decay"] * theta @ theta)
        ends = theta
        for _ in range(training["steps"]):
            ends = ends - training["step_size"] * np.array(jax.vmap(step)(ends))
        values["training"] = training | {"theta": ends.tolist()}
    return {name: case[name] for name in ("activation", "hidden", "x", "q", "theta")} | values


def text(value, depth):
    """JSON with the rows of an array in a line each."""
    pad = "  " * depth
    if isinstance(value, dict):
        items = [f"{pad}  {json.dumps(name)}: {text(item, depth + 1)}" for name, item in value.items()]
        return "{\n" + ",\n".join(items) + f"\n{pad}}}"
    if isinstance(value, list) and isinstance(value[0], (dict, list)):
        return "[\n" + ",\n".join(f"{pad}  {text(item, depth + 1)}" for item in value) + f"\n{pad}]"
    return json.dumps(value)


def difference(old, new):
    """The largest difference of two values, relative to 1 or the larger of them."""
    if isinstance(new, dict):
        return max(difference(old[name], new[name]) for name in new if name in old)
    if isinstance(new, list):
        return max(map(difference, old, new))
    return 0.0 if isinstance(new, str) else abs(old - new) / max(1.0, abs(new))


if __name__ == "__main__":
    old = json.loads(FILE.read_text())
    new = [made(case) for case in old]
    print(f"{len(new)} cases, largest difference {max(map(difference, old, new)):.1e}")
    FILE.write_text(text(new, 0) + "\n")
