"""Sweeps and evaluations."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Literal

from . import _models, _native, _options
from ._progress import Progress, Watch, is_advice_heard, notice
from ._run import Run

__all__ = ["evaluate", "sweep"]

Data = Literal["appendix-c", "moons", "circles", "spirals", "mixture", "parity", "teacher", "random-labels"]
Activation = Literal[
    "linear", "identity", "sigmoid", "logistic", "tanh", "softplus", "gelu", "relu", "silu", "erf", "square"
]
Backend = Literal["auto", "gpu", "cpu", "reference"]
Route = Literal["auto", "pairwise", "assembled"]
Loss = Literal["logistic", "softmax", "squared"]

_COLUMNS = """\
    bounds
        Also the closed-form bounds of the traces and the norms they are made of: Theorems 3, 4 and 6 for the paper's
        networks, and what they become with any depth, several outputs, other losses and weights. With one hidden layer
        `trace_ww_bound`, `trace_vv_bound` and so on, else `layer_trace_bound` (S, P) and so on.
    gauss_newton
        Also tr G, tr G^2 and the bound of the largest eigenvalue of the Gauss-Newton part G of the Hessian; with
        `spectrum` also that eigenvalue.
    spectrum
        Also the Hessian's eigenvalues `lambda_max` and `lambda_min` (`True`); with `"vectors"` the eigenvectors `u_1`
        to `u_4`, with `"all"` all `eigenvalues`, with a number K the K largest and the K smallest, with `"blocks"` the
        largest of H(w,w) and of H(v,v), or of each layer's block where there is not one hidden layer. A list gives
        several.
    brackets
        Also a bracket of the largest and of the smallest eigenvalue, two numbers that provably hold it: by moments of H
        up to the fourth (`True`, `"four"`) or the eighth (`"eight"`), or no wider than a number, relative to the
        largest.
    polish
        Also where the descent of each network ends (`True`, `"descend"`), in float64; with `"nearest"` the nearest
        critical point.
    polish_radius
        The farthest that `polish="nearest"` looks: the Euclidean distance from the weights. By default 10."""

_DATA = """\
    x, q
        The samples (I, M) and their targets as `loss` takes them, by default labels 0 and 1, (I,): arrays of any number
        type, frames, tensors on the processor, or paths of `.npy` files. Without them built-in data.
    test_x, test_q
        Test data, for the columns of scores, such as `macro_f1`.
    loss
        What is minimised: `"logistic"` takes labels 0 and 1, (I,), or (I, K) for K outputs, `"softmax"` class numbers,
        (I,), or rows with a single 1, (I, K), and `"squared"` any values, (I,), or (I, K). By default it is
        `"logistic"`, and `"softmax"` on built-in data of more than two classes.
    sample_weights
        How often each training sample counts, (I,), numbers above 0.
    reduction
        `"sum"`, or `"mean"` for the sum divided by that of the weights. Step size and tolerance are those of the loss
        as reduced.
    standardize
        Centre each input and scale it to standard deviation 1, by the training samples.
    data
        The built-in data, which docs/built-in-data.md describes.
    samples, test_samples, data_seed
        How many samples of the built-in data to draw for training, by default 50, and for the scores, by default 10 of
        `"appendix-c"` and 100 of others; and which draw.
    data_label_noise
        The probability with which each training label of the built-in data is replaced by another class.
    data_noise
        sigma, the standard deviation of the noise in each input of moons, circles, spirals, mixture and parity. By
        default 0.1, of a mixture 0.5.
    data_classes, data_inputs
        K and M of the built-in data that have any number of classes or inputs. By default both are 2.
    teacher_hidden, teacher_activation
        The width of the teacher's hidden layer, or a list of widths, empty for a linear teacher, and its activation. By
        default 3 and `"tanh"`."""

# The options of built-in data, and their defaults.
_BUILT_IN: dict[str, Any] = {
    "data": "appendix-c",
    "samples": 50,
    "test_samples": None,
    "data_seed": 0,
    "data_label_noise": 0.0,
    "data_noise": None,
    "data_classes": None,
    "data_inputs": None,
    "teacher_hidden": None,
    "teacher_activation": None,
}

_ENGINE = """\
    out
        A directory for the columns, which must not hold anything yet. Without it they are in memory. A run in a
        directory can be resumed after Ctrl-C or a crash.
    backend
        `"gpu"` (float32), `"cpu"` (float32 for training, float64 for the rest), `"reference"` (float64, slow), or
        `"auto"`: a hardware adapter if there is one, else the processor, which takes networks beyond the paper's.
    adapter
        The graphics adapter: its number in `adapters()`, or a part of its name or id.
    route
        How to compute tr H^2; both `"pairwise"` and `"assembled"` are exact.
    dispatch_ms
        Milliseconds that one dispatch on a graphics adapter should take, from 1 to 1000. It changes no result.
    memory
        MiB of memory that the networks in flight may take. It changes no result.
    progress
        A callable of the networks that are done and of all; `True` for a bar by tqdm, `False` for none. By default a
        bar, if tqdm is installed and there is a terminal or a notebook.

    Returns
    -------
    Run
        The columns, one row per network.

    Raises
    ------
    ValueError
        If an argument cannot be used; the message names it, what is wrong with it, and what mends it.
    sharpsweep.Error
        If the work cannot be done: no such adapter, no room, a device that fails.
    KeyboardInterrupt
        Within two seconds of Ctrl-C. With `out`, `resume` goes on with the finished rows."""


def _documented(function: Any) -> Any:
    function.__doc__ = function.__doc__.format(columns=_COLUMNS.strip(), data=_DATA.strip(), engine=_ENGINE.strip())
    return function


def _data(
    x: Any,
    q: Any,
    test_x: Any,
    test_q: Any,
    standardize: bool,
    built_in: dict[str, Any],
    loss: Any,
    sample_weights: Any,
    reduction: Any,
) -> dict[str, Any]:
    """The options about the data."""
    given = {"x": x, "q": q, "test_x": test_x, "test_q": test_q}
    for one, other in [("x", "q"), ("q", "x"), ("test_x", "test_q"), ("test_q", "test_x")]:
        if given[one] is not None and given[other] is None:
            raise ValueError(f"{one} is given without {other}: pass both")
    if test_x is not None and x is None:
        raise ValueError("test_x is given without x: the built-in data have test data of their own")
    drawn, usual = _built_in(**built_in), _built_in(**_BUILT_IN)
    unused = [] if x is None else [name for name, value in drawn.items() if value != usual[name]]
    if unused:
        raise ValueError(f"x is given, and these are for the built-in data: leave out {', '.join(unused)}")
    found: dict[str, Any] = {}
    for name, value in (given | {"sample_weights": sample_weights}).items():
        is_path = isinstance(value, (str, os.PathLike))
        found[name] = value if value is None or is_path else _options.array(name, value, labels=name.endswith("q"))
        if is_path:
            found[name] = os.fspath(value)
    return found | {
        "standardize": bool(standardize),
        "loss": _options.optional_word("loss", loss),
        "reduction": _options.word("reduction", reduction),
        "built_in": drawn,
    }


def _built_in(
    data: Any, samples: Any, data_seed: Any, data_label_noise: Any, data_noise: Any, teacher_hidden: Any, **others: Any
) -> dict[str, Any]:
    """The options of built-in data, as the native module takes them."""
    activation = others.pop("teacher_activation")
    counts = {name: None if value is None else _options.count(name, value, 63) for name, value in others.items()}
    return counts | {
        "data": _options.word("data", data),
        "samples": _options.count("samples", samples, 63),
        "data_seed": _options.count("data_seed", data_seed, 64),
        "data_label_noise": _options.real("data_label_noise", data_label_noise),
        "data_noise": None if data_noise is None else _options.real("data_noise", data_noise),
        "teacher_hidden": _options.hidden_layers("teacher_hidden", teacher_hidden),
        "teacher_activation": _options.optional_word("teacher_activation", activation),
    }


def _columns(
    bounds: bool, gauss_newton: bool, spectrum: Any, brackets: Any, polish: Any, polish_radius: Any
) -> dict[str, Any]:
    """The options about further columns."""
    return {
        "bounds": bool(bounds),
        "gauss_newton": bool(gauss_newton),
        "spectrum": _options.spectrum(spectrum),
        "brackets": _options.brackets(brackets),
        "polish": _options.polish(polish),
        "polish_radius": None if polish_radius is None else _options.real("polish_radius", polish_radius),
    }


def engine(backend: Any, adapter: Any, route: Any, dispatch_ms: Any, memory: Any) -> dict[str, Any]:
    """The options about the engine."""
    return {
        "backend": _options.optional_word("backend", backend),
        "adapter": _options.adapter(adapter),
        "route": _options.word("route", route),
        "dispatch_ms": _options.count("dispatch_ms", dispatch_ms, 32),
        "memory": _options.count("memory", memory, 63),
    }


def _out(out: str | os.PathLike[str] | None) -> str | None:
    return None if out is None else os.fspath(out)


@_documented
def sweep(
    x: Any = None,
    q: Any = None,
    *,
    test_x: Any = None,
    test_q: Any = None,
    standardize: bool = False,
    data: Data = "appendix-c",
    samples: int = 50,
    test_samples: int | None = None,
    data_seed: int = 0,
    data_label_noise: float = 0.0,
    data_noise: float | None = None,
    data_classes: int | None = None,
    data_inputs: int | None = None,
    teacher_hidden: int | Sequence[int] | str | None = None,
    teacher_activation: Activation | None = None,
    loss: Loss | None = None,
    sample_weights: Any = None,
    reduction: Literal["sum", "mean"] = "sum",
    seeds: int | tuple[int, int] | range | str = 512,
    shard: tuple[int, int] | str | None = None,
    hidden: int | Sequence[int] | str = 3,
    activation: Activation = "sigmoid",
    init_range: float = 10.0,
    step_size: float = 0.1,
    max_steps: int = 10_000,
    tolerance: float = 1e-3,
    weight_decay: float = 0.0,
    bounds: bool = False,
    gauss_newton: bool = False,
    spectrum: bool | int | str | list[int | str] = False,
    brackets: bool | float | Literal["four", "eight"] = False,
    polish: bool | Literal["descend", "nearest"] = False,
    polish_radius: float | None = None,
    keep: Literal["all", "converged", "summary"] = "all",
    out: str | os.PathLike[str] | None = None,
    backend: Backend = "auto",
    adapter: int | str | None = None,
    route: Route = "auto",
    dispatch_ms: int = 50,
    memory: int = 256,
    progress: bool | Progress | None = None,
) -> Run:
    """Train networks from many seeds and evaluate the closed-form sharpness of each.

    Networks are trained by full-batch gradient descent, theta <- theta - eta dL/dtheta, on the loss L of the I samples
    as reduced. Seed k is the same network on every engine and machine. The defaults are the paper's experiment (Omae et
    al. 2026, Appendix C) with 512 seeds: one hidden layer, two classes, cross-entropy.

    Parameters
    ----------
    {data}
    seeds
        How many seeds, from 0, or a range `(first, end)` without the end.
    shard
        `(k, n)`: only the k-th of n equal parts of the seeds, k from 1; `merge` joins the parts.
    hidden
        N, the number of hidden units; `(8, 8)` or `"8x8"` for two hidden layers, `()` for none.
    activation
        The hidden units' activation.
    init_range
        Initial weights are drawn uniformly from (-init_range, init_range).
    step_size
        eta. With `reduction="sum"` a learning rate lr on the mean loss is the step size lr / I.
    max_steps
        The most steps a network takes.
    tolerance
        A network has converged once g.g, the squared norm of the objective's gradient, is below this.
    weight_decay
        alpha of the objective L + alpha |theta|^2 / 2, biases included.
    {columns}
    keep
        Which weights to keep: those of every network, of the converged ones, or none. The other columns hold every
        network.
    {engine}

    Examples
    --------
    >>> import sharpsweep as ss
    >>> run = ss.sweep(seeds=100, hidden=4, progress=False)
    >>> run["lambda_sup"].shape, run["theta"].shape
    ((100,), (100, 17))
    """
    built_in = {
        "data": data,
        "samples": samples,
        "test_samples": test_samples,
        "data_seed": data_seed,
        "data_label_noise": data_label_noise,
        "data_noise": data_noise,
        "data_classes": data_classes,
        "data_inputs": data_inputs,
        "teacher_hidden": teacher_hidden,
        "teacher_activation": teacher_activation,
    }
    options = _data(x, q, test_x, test_q, standardize, built_in, loss, sample_weights, reduction)
    options |= _columns(bounds, gauss_newton, spectrum, brackets, polish, polish_radius)
    options |= engine(backend, adapter, route, dispatch_ms, memory)
    options |= {
        "seeds": _options.seeds(seeds),
        "shard": _options.shard(shard),
        "hidden": _options.hidden_layers("hidden", hidden),
        "activation": _options.word("activation", activation),
        "init_range": _options.real("init_range", init_range),
        "step_size": _options.real("step_size", step_size),
        "max_steps": _options.count("max_steps", max_steps, 32),
        "tolerance": _options.real("tolerance", tolerance),
        "weight_decay": _options.real("weight_decay", weight_decay),
        "keep": _options.word("keep", keep),
    }
    with Watch(progress) as watch:
        path = _out(out)
        return Run._of(_native.sweep(options, path, watch.callback, notice, is_advice_heard()), path)


@_documented
def evaluate(
    theta: Any,
    x: Any = None,
    q: Any = None,
    *,
    test_x: Any = None,
    test_q: Any = None,
    standardize: bool = False,
    data: Data = "appendix-c",
    samples: int = 50,
    test_samples: int | None = None,
    data_seed: int = 0,
    data_label_noise: float = 0.0,
    data_noise: float | None = None,
    data_classes: int | None = None,
    data_inputs: int | None = None,
    teacher_hidden: int | Sequence[int] | str | None = None,
    teacher_activation: Activation | None = None,
    loss: Loss | None = None,
    sample_weights: Any = None,
    reduction: Literal["sum", "mean"] = "sum",
    hidden: int | Sequence[int] | str | None = None,
    activation: Activation | None = None,
    tolerance: float | None = None,
    weight_decay: float = 0.0,
    bounds: bool = False,
    gauss_newton: bool = False,
    spectrum: bool | int | str | list[int | str] = False,
    brackets: bool | float | Literal["four", "eight"] = False,
    polish: bool | Literal["descend", "nearest"] = False,
    polish_radius: float | None = None,
    out: str | os.PathLike[str] | None = None,
    backend: Backend = "auto",
    adapter: int | str | None = None,
    route: Route = "auto",
    dispatch_ms: int = 50,
    memory: int = 256,
    progress: bool | Progress | None = None,
) -> Run:
    """Evaluate the closed-form sharpness of networks that were trained elsewhere.

    Parameters
    ----------
    theta
        The networks, (S, D), or one, (D,), with D = (M+1) N + N+1 weights each: `theta[m N + n]` = W[n, m] for hidden
        unit n (from 0) and input m (0 is the bias, inputs count from 1), then v_0 (the output's bias), v_1 .. v_N.
        Weights in another order have the right D as well, so compare `loss` with yours first. Or the path of a `.npy`
        file.

        For other networks the layers follow each other, W_l[a, p] at p N_l + a of its layer, p = 0 the bias.

        Or models, one or a list of them: fitted `MLPClassifier`s and `MLPRegressor`s of scikit-learn,
        `torch.nn.Sequential`s of Linear layers with one activation between them (and a last Sigmoid or Softmax),
        Equinox MLPs. Their outputs on `x` are compared with those of the network here before anything is computed. Or
        bare weights, with `activation`: what `Run.params` gives, trees of Flax parameters, state dictionaries of
        torch, or paths of `.safetensors` files, all of layers with biases. Weights alone have no outputs to compare, so
        compare `loss` with yours.
    {data}
    hidden
        The widths of the hidden layers, as in `sweep`; by default those of the models, or for arrays N of one hidden
        layer, by D = (M+1) N + (N+1) K.
    activation
        The hidden units' activation; by default that of the models, or `"sigmoid"` for arrays.
    tolerance
        Judge the networks: `status` is 0, converged, where g.g is below this, else 1. By default there is no verdict.
    weight_decay
        alpha of the objective L + alpha |theta|^2 / 2, biases included.
    {columns}
    {engine}

    Examples
    --------
    >>> import sharpsweep as ss
    >>> run = ss.sweep(seeds=100, progress=False)
    >>> again = ss.evaluate(run["theta"], progress=False)
    >>> bool((again["lambda_sup"] == run["lambda_sup"]).all())
    True
    """
    built_in = {
        "data": data,
        "samples": samples,
        "test_samples": test_samples,
        "data_seed": data_seed,
        "data_label_noise": data_label_noise,
        "data_noise": data_noise,
        "data_classes": data_classes,
        "data_inputs": data_inputs,
        "teacher_hidden": teacher_hidden,
        "teacher_activation": teacher_activation,
    }
    options = _data(x, q, test_x, test_q, standardize, built_in, loss, sample_weights, reduction)
    options |= _columns(bounds, gauss_newton, spectrum, brackets, polish, polish_radius)
    options |= engine(backend, adapter, route, dispatch_ms, memory)
    networks, models = _networks(theta, options, activation)
    layers = _options.hidden_layers("hidden", hidden)
    function: str | None = activation
    if models is not None:
        function, options["loss"] = models.activation, models.loss or options["loss"]
        own = _options.hidden_layers("hidden", models.hidden)
        if layers not in (None, own):
            raise ValueError(f"hidden is {hidden!r}, and the models have {own}: leave hidden out")
        layers = own
    options |= {
        "hidden": layers,
        "activation": _options.word("activation", "sigmoid" if function is None else function),
        "tolerance": None if tolerance is None else _options.real("tolerance", tolerance),
        "weight_decay": _options.real("weight_decay", weight_decay),
    }
    with Watch(progress) as watch:
        place = _out(out)
        return Run._of(_native.evaluate(networks, options, place, watch.callback, notice), place)


def _networks(theta: Any, options: dict[str, Any], activation: Any) -> tuple[Any, _models.Taken | None]:
    """Rows of theta, or the path of a file with them; and what models say of themselves besides."""
    if activation is not None:
        _options.word("activation", activation)
    if isinstance(theta, Run):
        raise ValueError('theta is a Run: pass run["theta"], and the data to evaluate its networks on')
    if _models.may_be(theta):
        models = _models.networks(theta, _samples(options), activation, options["loss"])
        return _options.networks(models.theta), models
    path = _options.path(theta)
    return (path if path is not None else _options.networks(theta)), None


def _samples(options: dict[str, Any]) -> Any:
    """The samples that networks see."""
    import numpy as np

    x = options["x"]
    if x is None:
        x = _native.built_in_data(options["built_in"])["x"]
    elif isinstance(x, str):
        try:
            x = np.load(x, allow_pickle=False).astype(np.float64)
        except OSError as error:
            raise ValueError(f"{x}: {error.strerror or error}") from None
    if options["standardize"] and x.ndim == 2:
        deviation = x.std(axis=0)
        x = (x - x.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
    return x
