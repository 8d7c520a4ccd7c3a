"""Networks of other libraries: from them to rows of theta, and back.

A network here maps h_0 = x by h_l = f(b_l + W_l h_{l-1}) to the outputs z = b_P + W_P h_{P-1}, (K,). The biases b_l
(N_l,) and weights W_l (N_l, N_{l-1}) of its layers go into theta one layer after the other: [b_l; W_l[:, 0]; ..].
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from itertools import pairwise
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


class Layer(NamedTuple):
    """One layer of weights."""

    weights: np.ndarray
    """W_l, (N_l, N_{l-1})."""
    biases: np.ndarray
    """b_l, (N_l,)."""


class Network(NamedTuple):
    """One network."""

    layers: list[Layer]
    """From the inputs to the outputs."""
    activation: str | None
    """f, by its name here; `None` for bare weights, which do not say."""
    loss: str | None = None
    """The loss that belongs to what the model gives; `None` if it gives z, which says nothing of it."""
    outputs: Callable[[np.ndarray], np.ndarray] | None = None
    """What the model itself makes of samples (I, M): (I, K), z or with a loss of classes their probabilities."""

    @property
    def theta(self) -> np.ndarray:
        return np.concatenate([np.column_stack([layer.biases, layer.weights]).ravel("F") for layer in self.layers])

    @property
    def hidden(self) -> list[int]:
        """N_1 .. N_{P-1}."""
        return [len(layer.biases) for layer in self.layers[:-1]]


class Taken(NamedTuple):
    """What `evaluate` needs of models."""

    theta: np.ndarray
    """(S, D)."""
    hidden: list[int]
    """The widths of their hidden layers."""
    activation: str
    """f."""
    loss: str | None
    """The loss of the models, where they say it."""


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


def networks(models: Any, x: np.ndarray, activation: str | None, loss: str | None) -> Taken:
    """What `models` are, one or several. `activation` and `loss`, if given, must be theirs.

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
            network = network._replace(activation=_agreed(network, activation))
            if None not in (network.loss, loss) and network.loss != loss:
                raise Refused(f"what it gives belongs to the {network.loss} loss, not to {loss}: leave loss out")
            outputs = len(network.layers[-1].biases)
            if network.loss is None and loss is None and outputs > 1:
                raise Refused(f"it has {outputs} outputs, which do not say what they are: pass loss=")
            _check(network, x)
        except Refused as refused:
            raise ValueError(f"{name} ({type(model).__name__}): {refused}") from None
        found.append(network)
    first = found[0]
    for k, network in enumerate(found):
        if _kind(network) != _kind(first):
            raise ValueError(
                f"model {k} has {_kind(network)} and model 0 has {_kind(first)}: evaluate them in separate calls"
            )
    assert first.activation is not None
    return Taken(np.stack([network.theta for network in found]), first.hidden, first.activation, first.loss)


def _kind(network: Network) -> str:
    """What networks that are evaluated together have in common."""
    hidden = f"{'x'.join(map(str, network.hidden))} {network.activation} units" if network.hidden else "no hidden units"
    outputs = len(network.layers[-1].biases)
    several = f" and {outputs} outputs" if outputs > 1 else ""
    return f"{hidden}{several}" + (f" with the {network.loss} loss" if network.loss not in (None, "logistic") else "")


_TAKEN = (
    "it must be a scikit-learn MLPClassifier or MLPRegressor, a torch.nn.Sequential, an Equinox MLP, a tree of Flax "
    "parameters, a state dictionary, what Run.params gives, or the path of a .safetensors file"
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


def _agreed(network: Network, asked: str | None) -> str:
    """The activation of a model, which says it itself or not."""
    own = network.activation
    asked = {"identity": "linear", "logistic": "sigmoid"}.get(asked, asked) if asked is not None else None
    if own is None and asked is None and not network.hidden:
        return "linear"
    if own is None and asked is None:
        raise Refused("bare weights do not say which activation they are for: pass activation=")
    if own is not None and asked is not None and own != asked:
        raise Refused(f"its activation is {own}, and {asked} was asked for: leave activation out")
    return own if own is not None else str(asked)


# From models.


def _of_sklearn(model: Any) -> Network:
    if not hasattr(model, "hidden_layer_sizes"):
        raise Refused("it is no multi-layer perceptron")
    if not hasattr(model, "coefs_"):
        raise Refused("it is not fitted yet: call fit first")
    if model.activation not in _SKLEARN:
        raise Refused(
            f"layer 1, a hidden one, has the activation {model.activation}, which is unknown here; taken are {_KNOWN}"
        )
    losses = {"logistic": "logistic", "softmax": "softmax", "identity": "squared"}
    if model.out_activation_ not in losses:
        raise Refused(
            f"layer {len(model.coefs_)}, the output, has the activation {model.out_activation_}; taken are "
            f"{', '.join(losses)}"
        )
    loss = losses[model.out_activation_]
    layers = [
        Layer(np.asarray(weights).T, np.asarray(biases))
        for weights, biases in zip(model.coefs_, model.intercepts_, strict=True)
    ]

    def outputs_of(x: np.ndarray) -> np.ndarray:
        if loss == "squared":
            return np.asarray(model.predict(x)).reshape(len(x), -1)
        # Of two classes it gives both probabilities, of several labels that of each.
        found = np.asarray(model.predict_proba(x))
        return found[:, 1:] if len(layers[-1].biases) == 1 else found

    return Network(layers, _SKLEARN[model.activation], loss, outputs_of)


def _of_torch(model: Any) -> Network:
    if not any(base.__name__ == "Sequential" for base in type(model).__mro__):
        raise Refused("it is no torch.nn.Sequential: pass the Sequential in it, or its state_dict() with activation=")
    linear: list[Any] = []
    activations: list[tuple[str, str]] = []
    last: str | None = None
    # By number: one layer may stand at several places.
    numbered = enumerate(model)
    parts = [(k, layer) for k, layer in numbered if not (type(layer).__name__ == "Dropout" and not layer.training)]
    while parts and type(parts[-1][1]).__name__ == "Identity":
        parts.pop()
    for k, layer in parts:
        kind, name = type(layer).__name__, f"layer {k} ({layer})"
        if last is not None:
            raise Refused(f"{name} comes after {last}, which is taken as the last layer alone")
        if kind == "Linear":
            if len(linear) > len(activations):
                activations.append(("linear", name))
            if layer.bias is None:
                raise Refused(f"{name} has no bias: the Hessian here has the derivatives by the biases as well")
            linear.append(layer)
        elif kind == "Identity" and len(activations) == len(linear):
            # Beside another activation it does nothing.
            continue
        elif kind in ("Sigmoid", "Softmax") and k == parts[-1][0] and linear:
            if kind == "Softmax" and layer.dim not in (1, -1):
                raise Refused(f"{name} goes over dimension {layer.dim}; dim=1, the outputs of a sample, is taken")
            last = kind
        elif kind in _TORCH:
            if len(linear) != len(activations) + 1:
                raise Refused(f"{name} stands where no activation can be: taken is one after each Linear but the last")
            if kind == "GELU" and layer.approximate != "none":
                raise Refused(f"{name} approximates by {layer.approximate}; the exact GELU is taken")
            if kind == "Softplus" and layer.beta != 1:
                raise Refused(f"{name} has beta = {layer.beta}; beta = 1 is taken")
            activations.append((_TORCH[kind], name))
        elif kind == "Dropout":
            raise Refused(f"{name} is at random while the model trains: call model.eval() first")
        else:
            raise Refused(f"{name} is not known here; taken are Linear and activations ({_KNOWN})")
    if not linear:
        raise Refused("it has no Linear layer")
    if len(activations) >= len(linear):
        raise Refused(f"{activations[-1][1]} stands where no activation can be: the outputs are those of a Linear")
    for activation, name in activations:
        if activation != activations[0][0]:
            raise Refused(f"{name} is not as {activations[0][1]}; one activation is taken for all layers")
    first = linear[0]

    def outputs_of(x: np.ndarray) -> np.ndarray:
        import torch

        with torch.no_grad():
            z = model(torch.tensor(x.tolist(), dtype=first.weight.dtype, device=first.weight.device))
        return _numbers(z)

    return Network(
        [Layer(_numbers(layer.weight), _numbers(layer.bias)) for layer in linear],
        activations[0][0] if activations else "linear",
        {None: None, "Sigmoid": "logistic", "Softmax": "softmax"}[last],
        outputs_of,
    )


def _of_equinox(model: Any) -> Network:
    layers = getattr(model, "layers", None)
    if not layers or not hasattr(model, "activation"):
        raise Refused("it has no layers; an equinox.nn.MLP is taken")
    for k, layer in enumerate(layers):
        if getattr(layer, "bias", None) is None:
            raise Refused(f"layer {k} has no bias: the Hessian here has the derivatives by the biases as well")
    import jax

    def outputs_of(x: np.ndarray) -> np.ndarray:
        z = jax.vmap(model)(jax.numpy.asarray(x, dtype=layers[0].weight.dtype))
        return np.asarray(z).reshape(len(x), -1)

    # A scalar output has weights and a bias without their first dimension.
    found = [Layer(np.atleast_2d(np.asarray(layer.weight)), np.atleast_1d(np.asarray(layer.bias))) for layer in layers]
    return Network(found, _of_function(model.activation) if len(layers) > 1 else "linear", None, outputs_of)


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
    raise Refused(f"layer 0, a hidden one, has the activation {name}, which is unknown here; taken are {_KNOWN}")


def _of_tree(tree: Mapping[str, Any]) -> Network:
    """A tree of Flax parameters (`kernel` (in, out)), or a state dictionary of torch (`weight` (out, in))."""
    names = ["W", "V"] if "V" in tree else [f"W_{layer + 1}" for layer in range(len(tree))]
    if tree and set(tree) == set(names):
        return _of_params({name: _numbers(tree[name]) for name in names})
    layers: dict[tuple[str, ...], dict[str, np.ndarray]] = {}
    for path, leaf in _leaves(tree, ()):
        layers.setdefault(path[:-1], {})[path[-1]] = _numbers(leaf)
    order = sorted(layers, key=lambda path: [_natural(name) for name in path])
    names = [".".join(path) or "the root" for path in order]
    if not order:
        raise Refused("it has no layers")
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
        if layer["bias"].size != weights.shape[0]:
            raise Refused(f"layer {name} has {weights.shape[0]} units and {layer['bias'].size} biases")
        found.append(Layer(weights, layer["bias"].ravel()))
    # Flax numbers layers in the order in which the code makes them, which can be from the output to the input.
    if _misfit(found) is not None and _misfit(found[::-1]) is None:
        found.reverse()
    misfit = _misfit(found)
    if misfit is not None:
        raise Refused(
            f"layer {names[misfit]} takes {found[misfit].weights.shape[1]} inputs, and layer {names[misfit - 1]} has "
            f"{len(found[misfit - 1].biases)} units"
        )
    return Network(found, None)


def _misfit(layers: list[Layer]) -> int | None:
    """The first layer that does not take what the one before it gives."""
    pairs = enumerate(pairwise(layers), start=1)
    return next((k for k, (one, next_) in pairs if next_.weights.shape[1] != len(one.biases)), None)


def _of_params(matrices: dict[str, np.ndarray]) -> Network:
    """What `Run.params` gives: matrices of the layers in order, (N_l, N_{l-1} + 1), whose columns 0 are the biases."""
    for name, matrix in matrices.items():
        if matrix.ndim != 2 or matrix.shape[1] < 2:
            raise Refused(f"{name} has the shape {matrix.shape}: it must be a matrix, column 0 the biases")
    layers = [Layer(matrix[:, 1:], matrix[:, 0]) for matrix in matrices.values()]
    misfit = _misfit(layers)
    if misfit is not None:
        below, here = list(matrices.items())[misfit - 1 : misfit + 1]
        raise Refused(
            f"{below[0]} has the shape {below[1].shape} and {here[0]} {here[1].shape}: they must be (N, M + 1) and "
            f"(K, N + 1)"
        )
    return Network(layers, None)


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
    inputs = network.layers[0].weights.shape[1]
    if x.ndim == 2 and x.shape[1] != inputs:
        raise Refused(f"it takes {inputs} inputs, and x has {x.shape[1]}")
    if network.outputs is None or x.ndim != 2:
        return
    theirs = network.outputs(x)
    # Sums of so many terms are rounded by their unit times the sum of magnitudes; no activation here but square is
    # steeper than 1.13. In float64 there is more room: softplus of torch leaves out 2e-9 beyond 20.
    ours, magnitudes, last = x, np.abs(x), len(network.layers) - 1
    for k, layer in enumerate(network.layers):
        weights, biases = (np.asarray(part, dtype=np.float64) for part in layer)
        ours = ours @ weights.T + biases
        magnitudes = magnitudes @ np.abs(weights.T) + np.abs(biases)
        if k < last:
            slope = np.maximum(1, 2 * np.abs(ours)) if network.activation == "square" else 1
            ours = _activated(str(network.activation), ours)
            magnitudes = np.abs(ours) + slope * magnitudes
    size = 1 + magnitudes
    operations = sum(layer.weights.shape[1] for layer in network.layers) + 8
    is_wide = network.layers[0].weights.dtype == np.float64
    allowed = 1e-8 if is_wide else 4 * float(np.finfo(np.float32).eps) * operations
    # Where the classes are as good as certain, probabilities tell z no more: these are compared themselves.
    if network.loss == "logistic":
        ours, size = 0.5 * (1 + np.tanh(0.5 * ours)), np.ones_like(ours) * np.max(size)
    elif network.loss == "softmax":
        powers = np.exp(ours - ours.max(axis=1, keepdims=True))
        ours, size = powers / powers.sum(axis=1, keepdims=True), np.ones_like(ours) * np.max(size)
    if theirs.shape != ours.shape:
        raise Refused(f"it gives outputs of the shape {theirs.shape} for {len(x)} samples, and not {ours.shape}")
    off = np.abs(ours - theirs) / size
    if not (off <= allowed).all():
        i, output = np.unravel_index(np.argmax(np.where(np.isnan(off), np.inf, off)), off.shape)
        which = f"output {output}" if ours.shape[1] > 1 else "output"
        units = f"{network.activation} layers" if last > 1 else f"one {network.activation} layer"
        raise Refused(
            f"its {which} for x[{i}] is {theirs[i, output]:.6g}, and a network of its weights with {units} gives "
            f"{ours[i, output]:.6g}: it does something else besides, or approximates its activation"
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
    if activation not in names and len(layers) > 1:
        raise ValueError(f"torch.nn has no layer {activation}; run.params(seed) gives the weights")
    parts: list[Any] = []
    for weights in layers:
        parts += [getattr(torch.nn, names[activation])()] if parts else []
        parts.append(torch.nn.Linear(weights.shape[1] - 1, weights.shape[0]))
    model = torch.nn.Sequential(*parts).to(dtype)
    with torch.no_grad():
        for linear, weights in zip(model[::2], layers, strict=True):
            linear.weight.copy_(torch.tensor(weights[:, 1:].tolist(), dtype=dtype))
            linear.bias.copy_(torch.tensor(weights[:, 0].tolist(), dtype=dtype))
    return model
