"""Networks of other libraries: from them to rows of theta, and back.

A network here is z = v_0 + sum_n v_n f(b_n + sum_m W_nm x_m): one hidden layer, an activation f, and one output. The
weights W (N, M), biases b (N,), output weights v (N,) and output bias v_0 go into theta = [b; W[:, 0]; ..; v_0; v].
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

# What other libraries call the activations that there are here.
_SKLEARN = {"identity": "linear", "logistic": "sigmoid", "tanh": "tanh", "relu": "relu"}
_TORCH = {
    "Identity": "linear",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "Softplus": "softplus",
    "GELU": "gelu",
    "ReLU": "relu",
    "SiLU": "silu",
}
_FUNCTIONS = {
    "sigmoid": "sigmoid",
    "logistic": "sigmoid",
    "tanh": "tanh",
    "softplus": "softplus",
    "gelu": "gelu",
    "relu": "relu",
    "silu": "silu",
    "erf": "erf",
    "square": "square",
}
_KNOWN = "linear (identity), sigmoid (logistic), tanh, softplus, gelu (by erf), relu, silu, erf and square"


class Network(NamedTuple):
    """One network."""

    weights: np.ndarray
    """W, (N, M)."""
    biases: np.ndarray
    """b, (N,)."""
    output_weights: np.ndarray
    """v, (N,)."""
    output_bias: np.ndarray
    """v_0, (1,)."""
    activation: str | None
    """f, by its name here; `None` for bare weights, which do not say."""
    outputs: Callable[[np.ndarray], tuple[np.ndarray, bool]] | None
    """What the model itself makes of samples (I, M): values (I,), and whether they are probabilities instead of z."""

    @property
    def theta(self) -> np.ndarray:
        return np.concatenate(
            [np.column_stack([self.biases, self.weights]).ravel("F"), self.output_bias, self.output_weights]
        )


class Refused(ValueError):
    """Why a model cannot be taken."""


def is_model(value: Any) -> bool:
    """Whether `value` is a model, not an array."""
    return _reader(value) is not None


def may_be(value: Any) -> bool:
    """Whether `value` is a model or a sequence that begins with one."""
    if is_model(value):
        return True
    return isinstance(value, (list, tuple)) and any(is_model(model) for model in value)


def networks(models: Any, x: np.ndarray, activation: str | None) -> tuple[np.ndarray, str]:
    """The rows of theta and the activation of `models`, one or several.

    The outputs of each on the samples `x` are compared with those of the network here.
    """
    several = [models] if is_model(models) else list(models)
    found = []
    for k, model in enumerate(several):
        name = f"model {k}" if len(several) > 1 else "the model"
        reader = _reader(model)
        if reader is None:
            raise ValueError(f"{name} is of the type {type(model).__name__}: {_TAKEN}")
        try:
            network = reader(model)
            network = network._replace(activation=_agreed(network.activation, activation))
            _check(network, x)
        except Refused as refused:
            raise ValueError(f"{name} ({type(model).__name__}): {refused}") from None
        found.append(network)
    first = found[0]
    for k, network in enumerate(found):
        if network.activation != first.activation or len(network.biases) != len(first.biases):
            raise ValueError(
                f"model {k} has {len(network.biases)} {network.activation} units and model 0 has {len(first.biases)} "
                f"{first.activation} units: evaluate them in separate calls"
            )
    assert first.activation is not None
    return np.stack([network.theta for network in found]), first.activation


_TAKEN = (
    "it must be a scikit-learn MLPClassifier, a torch.nn.Sequential, an Equinox MLP, a tree of Flax parameters, a "
    "state dictionary, what Run.params gives, or the path of a .safetensors file"
)


def _reader(model: Any) -> Callable[[Any], Network] | None:
    bases = {f"{base.__module__.split('.')[0]}.{base.__name__}" for base in type(model).__mro__}
    if "sklearn.BaseEstimator" in bases:
        return _of_sklearn
    if "torch.Module" in bases:
        return _of_torch
    if "equinox.Module" in bases:
        return _of_equinox
    if isinstance(model, Mapping) and not hasattr(model, "__array__"):
        return _of_tree
    if isinstance(model, (str, os.PathLike)) and os.fspath(model).endswith(".safetensors"):
        return _of_safetensors
    return None


def _agreed(own: str | None, asked: str | None) -> str:
    """The activation of a model, which says it itself or not."""
    asked = {"identity": "linear", "logistic": "sigmoid"}.get(asked, asked) if asked is not None else None
    if own is None and asked is None:
        raise Refused("bare weights do not say which activation they are for: pass activation=")
    if own is not None and asked is not None and own != asked:
        raise Refused(f"its activation is {own}, and {asked} was asked for: leave activation out")
    return own if own is not None else str(asked)


# From models.


def _of_sklearn(model: Any) -> Network:
    kind = type(model).__name__
    if not hasattr(model, "hidden_layer_sizes"):
        raise Refused("it is no multi-layer perceptron")
    if not hasattr(model, "coefs_"):
        raise Refused("it is not fitted yet: call fit first")
    if hasattr(model, "predict") and not hasattr(model, "classes_"):
        raise Refused("it is a regressor, which minimises the squared error; here there is cross-entropy alone")
    hidden = len(model.coefs_) - 1
    if hidden != 1:
        raise Refused(
            f"it has {hidden} hidden layers, {tuple(np.shape(w)[1] for w in model.coefs_[:-1])}; one is taken"
        )
    if model.out_activation_ != "logistic" or np.shape(model.coefs_[1])[1] != 1:
        outputs = np.shape(model.coefs_[1])[1]
        raise Refused(
            f"layer 2, the output, has {outputs} units with {model.out_activation_}; one logistic output is taken, so "
            f"fit it on two classes"
        )
    if model.activation not in _SKLEARN:
        raise Refused(
            f"layer 1, the hidden one, has the activation {model.activation}, which is unknown here; taken are {_KNOWN}"
        )
    (first, second), (biases, bias) = model.coefs_, model.intercepts_
    if kind == "MLPClassifier" and np.shape(first)[0] != getattr(model, "n_features_in_", np.shape(first)[0]):
        raise Refused("its weights do not fit its inputs")

    def outputs_of(x: np.ndarray) -> tuple[np.ndarray, bool]:
        return np.asarray(model.predict_proba(x))[:, 1], True

    return Network(
        np.asarray(first).T,
        np.asarray(biases),
        np.asarray(second)[:, 0],
        np.asarray(bias),
        _SKLEARN[model.activation],
        outputs_of,
    )


def _of_torch(model: Any) -> Network:
    if not any(base.__name__ == "Sequential" for base in type(model).__mro__):
        raise Refused("it is no torch.nn.Sequential: pass the Sequential in it, or its state_dict() with activation=")
    linear: list[tuple[str, Any]] = []
    activations: list[str] = []
    ends_in_sigmoid = False
    for k, layer in enumerate(model):
        kind, name = type(layer).__name__, f"layer {k} ({layer})"
        if kind == "Linear":
            if ends_in_sigmoid or len(linear) == 2:
                raise Refused(f"{name} is one linear layer too many: one hidden layer and one output are taken")
            if layer.bias is None:
                raise Refused(f"{name} has no bias: the Hessian here has the derivatives by the biases as well")
            linear.append((name, layer))
        elif kind in ("Dropout", "Identity") and (kind == "Identity" or not layer.training):
            if kind == "Identity" and len(linear) == 1 and not activations and k + 1 < len(model):
                activations.append("linear")
        elif kind in _TORCH:
            if len(linear) == 2 and kind == "Sigmoid" and not ends_in_sigmoid:
                ends_in_sigmoid = True
                continue
            if len(linear) != 1 or activations:
                raise Refused(f"{name} stands where no activation can be: taken are Linear, activation, Linear")
            if kind == "GELU" and layer.approximate != "none":
                raise Refused(f"{name} approximates by {layer.approximate}; the exact GELU is taken")
            if kind == "Softplus" and layer.beta != 1:
                raise Refused(f"{name} has beta = {layer.beta}; beta = 1 is taken")
            activations.append(_TORCH[kind])
        elif kind == "Dropout":
            raise Refused(f"{name} is at random while the model trains: call model.eval() first")
        else:
            raise Refused(f"{name} is not known here; taken are Linear, an activation ({_KNOWN}) and Linear")
    if len(linear) != 2:
        raise Refused(f"it has {len(linear)} linear layers; two are taken, for one hidden layer and one output")
    (_, first), (name, second) = linear
    if second.out_features != 1:
        raise Refused(
            f"{name} has {second.out_features} outputs; one logit is taken. Two logits with softmax have the loss of "
            f"the "
            f"one that is their difference, but another Hessian"
        )

    def outputs_of(x: np.ndarray) -> tuple[np.ndarray, bool]:
        import torch

        with torch.no_grad():
            z = model(torch.tensor(x.tolist(), dtype=first.weight.dtype, device=first.weight.device))
        return _numbers(z)[:, 0], ends_in_sigmoid

    return Network(
        _numbers(first.weight),
        _numbers(first.bias),
        _numbers(second.weight)[0],
        _numbers(second.bias),
        activations[0] if activations else "linear",
        outputs_of,
    )


def _of_equinox(model: Any) -> Network:
    layers = getattr(model, "layers", None)
    if layers is None or len(layers) != 2:
        count = "no layers" if layers is None else f"{len(layers)} linear layers"
        raise Refused(f"it has {count}; an equinox.nn.MLP with depth = 1 is taken")
    for k, layer in enumerate(layers):
        if getattr(layer, "bias", None) is None:
            raise Refused(f"layer {k} has no bias: the Hessian here has the derivatives by the biases as well")
    first, second = layers
    weights, output = np.asarray(first.weight), np.atleast_2d(np.asarray(second.weight))
    if output.shape[0] != 1:
        raise Refused(f"layer 1, the output, has {output.shape[0]} units; one logit is taken")
    activation = _of_function(model.activation)
    import jax

    def outputs_of(x: np.ndarray) -> tuple[np.ndarray, bool]:
        z = jax.vmap(model)(jax.numpy.asarray(x, dtype=first.weight.dtype))
        return np.asarray(z).reshape(len(x)), False

    return Network(
        weights,
        np.asarray(first.bias),
        output[0],
        np.atleast_1d(np.asarray(second.bias)).ravel(),
        activation,
        outputs_of,
    )


def _of_function(function: Any) -> str:
    """The activation that a function of JAX is, by its name; the comparison of outputs tells whether it is."""
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    function = getattr(function, "func", function)
    name = getattr(function, "__name__", str(function))
    if name in _FUNCTIONS:
        return _FUNCTIONS[name]
    if name in ("<lambda>", "identity", "_identity"):
        return "linear"
    raise Refused(f"layer 0, the hidden one, has the activation {name}, which is unknown here; taken are {_KNOWN}")


def _of_tree(tree: Mapping[str, Any]) -> Network:
    """A tree of Flax parameters (`kernel` (in, out)), or a state dictionary of torch (`weight` (out, in))."""
    if set(tree) == {"W", "V"}:
        return _of_params(_numbers(tree["W"]), _numbers(tree["V"]))
    layers: dict[tuple[str, ...], dict[str, np.ndarray]] = {}
    for path, leaf in _leaves(tree, ()):
        layers.setdefault(path[:-1], {})[path[-1]] = _numbers(leaf)
    order = sorted(layers, key=lambda path: [_natural(name) for name in path])
    names = [".".join(path) or "the root" for path in order]
    if len(order) != 2:
        raise Refused(f"it has {len(order)} layers ({', '.join(names)}); two are taken, a hidden one and one output")
    found = []
    for name, path in zip(names, order, strict=True):
        layer = layers[path]
        weights = layer["kernel"].T if "kernel" in layer else layer.get("weight")
        if weights is None or weights.ndim != 2:
            raise Refused(f"layer {name} has {', '.join(layer)}; a matrix `kernel` or `weight` is needed")
        if "bias" not in layer:
            raise Refused(f"layer {name} has no bias: the Hessian here has the derivatives by the biases as well")
        if len(layer) != 2:
            raise Refused(f"layer {name} has {', '.join(layer)}; weights and biases alone are taken")
        found.append((weights, layer["bias"].ravel()))
    # Flax numbers layers in the order in which the code makes them, which can be from the output to the input.
    if found[1][0].shape != (1, found[0][0].shape[0]) and found[0][0].shape == (1, found[1][0].shape[0]):
        found.reverse()
    (first, biases), (second, bias) = found
    if second.shape != (1, first.shape[0]):
        raise Refused(
            f"layer {names[1]} leads from {second.shape[1]} units to {second.shape[0]}, and layer {names[0]} has "
            f"{first.shape[0]} units; one output of all of them is taken"
        )
    return Network(first, biases, second[0], bias, None, None)


def _of_params(first: np.ndarray, second: np.ndarray) -> Network:
    """What `Run.params` gives: W (N, M + 1) and V (1, N + 1), whose columns 0 are the biases."""
    if first.ndim != 2 or second.shape != (1, first.shape[0] + 1):
        raise Refused(f"W has the shape {first.shape} and V {second.shape}: they must be (N, M + 1) and (1, N + 1)")
    return Network(first[:, 1:], first[:, 0], second[0, 1:], second[0, :1], None, None)


def _leaves(tree: Mapping[str, Any], path: tuple[str, ...]) -> list[tuple[tuple[str, ...], Any]]:
    found = []
    for name, value in tree.items():
        parts = (*path, *str(name).split("."))
        found += _leaves(value, parts) if isinstance(value, Mapping) else [(parts, value)]
    return found


def _natural(name: str) -> list[Any]:
    """A key by which `Dense_10` comes after `Dense_9`."""
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in re.split(r"(\d+)", name) if part]


def _of_safetensors(path: str | os.PathLike[str]) -> Network:
    try:
        from safetensors.numpy import load_file
    except ImportError:
        raise ImportError("reading .safetensors files needs safetensors: pip install safetensors") from None
    try:
        tensors = load_file(os.fspath(path))
    except Exception as error:
        raise Refused(f"{os.fspath(path)}: {error}") from error
    return _of_tree(tensors)


def _numbers(value: Any) -> np.ndarray:
    """The numbers of an array or a tensor, in float32 where they are float32 or shorter, else in float64."""
    value = getattr(value, "value", value)
    if hasattr(value, "detach"):
        # By numbers: a build of torch need not know the NumPy that is here.
        narrow = str(value.dtype) != "torch.float64"
        return np.array(value.detach().cpu().tolist(), dtype=np.float32 if narrow else np.float64)
    array = np.asarray(value)
    narrow = (array.dtype.kind == "f" and array.dtype.itemsize <= 4) or array.dtype.kind == "V"
    return array.astype(np.float32 if narrow else np.float64)


# The comparison.


def _activated(name: str, y: np.ndarray) -> np.ndarray:
    from math import erf

    if name == "linear":
        return y
    if name == "sigmoid":
        return 0.5 * (1 + np.tanh(0.5 * y))
    if name == "tanh":
        return np.tanh(y)
    if name == "softplus":
        return np.logaddexp(0, y)
    if name == "relu":
        return np.maximum(y, 0)
    if name == "silu":
        return y * 0.5 * (1 + np.tanh(0.5 * y))
    if name == "erf":
        return np.vectorize(erf)(y)
    if name == "square":
        return y * y
    return y * 0.5 * (1 + np.vectorize(erf)(y / np.sqrt(2)))


def _check(network: Network, x: np.ndarray) -> None:
    """Fails unless the network's own outputs on `x` are those of the network here."""
    inputs = network.weights.shape[1]
    if x.ndim == 2 and x.shape[1] != inputs:
        raise Refused(f"it takes {inputs} inputs, and x has {x.shape[1]}")
    if network.outputs is None or x.ndim != 2:
        return
    theirs, are_probabilities = network.outputs(x)
    wide = [np.asarray(part, dtype=np.float64) for part in network[:4]]
    weights, biases, output_weights, output_bias = wide
    y = x @ weights.T + biases
    hidden = _activated(str(network.activation), y)
    ours = hidden @ output_weights + output_bias
    # Sums of so many terms are rounded by their unit times the sum of magnitudes; no activation here but square is
    # steeper than 1.13. In float64 there is more room: softplus of torch leaves out 2e-9 beyond 20.
    slope = np.maximum(1, 2 * np.abs(y)) if network.activation == "square" else 1
    magnitudes = np.abs(hidden) + slope * (np.abs(x) @ np.abs(weights.T) + np.abs(biases))
    size = 1 + magnitudes @ np.abs(output_weights) + np.abs(output_bias)
    operations = sum(weights.shape) + 8
    allowed = 1e-8 if network.weights.dtype == np.float64 else 4 * float(np.finfo(np.float32).eps) * operations
    if are_probabilities:
        # Where the classes are as good as certain, probabilities tell z no more: these are compared themselves.
        ours, size = 0.5 * (1 + np.tanh(0.5 * ours)), np.ones_like(ours) * np.max(size)
    off = np.abs(ours - theirs) / size
    if not (off <= allowed).all():
        k = int(np.argmax(np.where(np.isnan(off), np.inf, off)))
        raise Refused(
            f"its output for x[{k}] is {theirs[k]:.6g}, and a network of its weights with one {network.activation} "
            f"layer "
            f"gives {ours[k]:.6g}: it does something else besides, or approximates its activation"
        )


# To models.


def to_sklearn(params: dict[str, np.ndarray], activation: str, loss: float, steps: int) -> Any:
    """A fitted `MLPClassifier` for the classes 0 and 1."""
    from sklearn.neural_network import MLPClassifier

    names = {ours: theirs for theirs, ours in _SKLEARN.items()}
    if activation not in names:
        raise ValueError(f"scikit-learn has no {activation}: it has {', '.join(names)}. run.torch(seed) has most")
    w, v = (np.asarray(params[name], dtype=np.float64) for name in ("W", "V"))
    model = MLPClassifier(hidden_layer_sizes=(w.shape[0],), activation=names[activation])
    # One step on nothing makes everything that a fitted model has.
    model.partial_fit(np.zeros((2, w.shape[1] - 1)), [0, 1], classes=[0, 1])
    model.coefs_ = [w[:, 1:].T.copy(), v[:, 1:].T.copy()]
    model.intercepts_ = [w[:, 0].copy(), v[:, 0].copy()]
    model.loss_, model.best_loss_, model.loss_curve_, model.n_iter_ = loss, loss, [loss], steps
    return model


def to_torch(params: dict[str, np.ndarray], activation: str) -> Any:
    """A `torch.nn.Sequential` of Linear layers with activations between, whose outputs are z."""
    import torch

    layers = list(params.values())
    dtype = torch.float32 if layers[0].dtype == np.float32 else torch.float64
    names = {ours: theirs for theirs, ours in _TORCH.items()}
    if activation not in names:
        raise ValueError(f"torch.nn has no layer {activation}; run.params(seed) gives the weights")
    kind = names[activation]
    parts: list[Any] = []
    for weights in layers:
        parts += [getattr(torch.nn, kind)()] if parts else []
        parts.append(torch.nn.Linear(weights.shape[1] - 1, weights.shape[0]))
    model = torch.nn.Sequential(*parts).to(dtype)
    with torch.no_grad():
        for linear, weights in zip(model[::2], layers, strict=True):
            linear.weight.copy_(torch.tensor(weights[:, 1:].tolist(), dtype=dtype))
            linear.bias.copy_(torch.tensor(weights[:, 0].tolist(), dtype=dtype))
    return model
