"""Networks of scikit-learn, PyTorch and others, in and out."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import sharpsweep as ss

QUIET = {"progress": False, "backend": "cpu"}


def labels(data):
    x, q = data
    return x, q.astype(int)


def classifiers(x, q, count: int, **more):
    neural_network = pytest.importorskip("sklearn.neural_network")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options = {"hidden_layer_sizes": (5,), "activation": "logistic", "max_iter": 60} | more
        return [neural_network.MLPClassifier(**options, random_state=k).fit(x, q) for k in range(count)]


def sequential(torch, x, q, seed: int, activation: str = "Tanh", dtype: str = "float64", steps: int = 40):
    torch.manual_seed(seed)
    dtype = getattr(torch, dtype)
    layers = [torch.nn.Linear(x.shape[1], 4), getattr(torch.nn, activation)(), torch.nn.Linear(4, 1)]
    model = torch.nn.Sequential(*layers).to(dtype)
    samples, targets = torch.tensor(x.tolist(), dtype=dtype), torch.tensor(q.tolist(), dtype=dtype)
    descent = torch.optim.SGD(model.parameters(), lr=0.02)
    for _ in range(steps):
        descent.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(model(samples)[:, 0], targets, reduction="sum")
        loss.backward()
        descent.step()
    return model


def largest_eigenvalue(torch, parameters, f, x, q) -> tuple[float, float]:
    """lambda_1 of the Hessian by automatic differentiation in float64, and the loss."""
    w1, b1, w2, b2 = (torch.tensor(p.tolist(), dtype=torch.float64) for p in parameters)
    shapes = [w1.shape, b1.shape, w2.shape, b2.shape]
    samples, targets = (torch.tensor(a.tolist(), dtype=torch.float64) for a in (x, q))

    def loss(theta):
        parts, at = [], 0
        for shape in shapes:
            parts.append(theta[at : at + shape.numel()].reshape(shape))
            at += shape.numel()
        z = f(samples @ parts[0].T + parts[1]) @ parts[2] + parts[3]
        return torch.nn.functional.binary_cross_entropy_with_logits(z, targets, reduction="sum")

    theta = torch.cat([p.reshape(-1) for p in (w1, b1, w2, b2)])
    hessian = np.array(torch.autograd.functional.hessian(loss, theta).tolist())
    return float(np.linalg.eigvalsh((hessian + hessian.T) / 2)[-1]), float(loss(theta))


def test_twenty_networks_of_scikit_learn_against_automatic_differentiation(data):
    torch = pytest.importorskip("torch")
    x, q = labels(data)
    models = [
        model
        for activation in ("logistic", "tanh", "identity", "relu")
        for model in classifiers(x, q, 5, activation=activation)
    ]
    functions = {"logistic": torch.sigmoid, "tanh": torch.tanh, "identity": lambda y: y, "relu": torch.relu}
    for activation, f in functions.items():
        some = [model for model in models if model.activation == activation]
        run = ss.evaluate(some, x, q, spectrum=True, **QUIET)
        assert run["theta"].shape == (len(some), 26) and run["theta"].dtype == np.float64
        for k, model in enumerate(some):
            (first, second), (biases, bias) = model.coefs_, model.intercepts_
            parameters = [np.asarray(p) for p in (first.T, biases, second[:, 0], bias)]
            expected, loss = largest_eigenvalue(torch, parameters, f, x, q)
            assert run["loss"][k] == pytest.approx(loss, rel=1e-12)
            assert run["lambda_max"][k] == pytest.approx(expected, rel=5e-6)
            assert run["lambda_sup"][k] >= expected * (1 - 1e-12)
            # The loss that it knows itself, without its penalty.
            proba = model.predict_proba(x)[np.arange(len(q)), q]
            assert -np.log(proba).sum() == pytest.approx(run["loss"][k], rel=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_networks_of_torch_against_automatic_differentiation(data, dtype):
    torch = pytest.importorskip("torch")
    x, q = labels(data)
    functions = {
        "Sigmoid": torch.sigmoid,
        "Tanh": torch.tanh,
        "Softplus": torch.nn.functional.softplus,
        "GELU": torch.nn.functional.gelu,
        "ReLU": torch.relu,
        "SiLU": torch.nn.functional.silu,
        "Identity": lambda y: y,
    }
    for seed, (activation, f) in enumerate(functions.items()):
        model = sequential(torch, x, q, seed, activation, dtype)
        for given in (model, torch.nn.Sequential(*model, torch.nn.Sigmoid())):
            run = ss.evaluate(given, x, q, spectrum=True, **QUIET)
            assert run["theta"].dtype == dtype and run.spec["activation"] == {"Identity": "linear"}.get(
                activation, activation.lower()
            )
            parameters = [
                np.array(p.detach().double().tolist())
                for p in (model[0].weight, model[0].bias, model[2].weight[0], model[2].bias)
            ]
            expected, loss = largest_eigenvalue(torch, parameters, f, x, q)
            assert run["loss"][0] == pytest.approx(loss, rel=1e-9)
            assert run["lambda_max"][0] == pytest.approx(expected, rel=5e-6)
    assert len(functions) == 7


def test_what_scikit_learn_has_and_is_not_here_is_refused_with_the_layer(data):
    neural_network = pytest.importorskip("sklearn.neural_network")
    x, q = labels(data)
    cases = [
        (neural_network.MLPClassifier(), "not fitted"),
        (
            neural_network.MLPRegressor(max_iter=2, loss="poisson").fit(x, q + 1.0),
            "layer 2, the output, has the activation exp",
        ),
    ]
    from sklearn.linear_model import LogisticRegression

    cases.append((LogisticRegression(), "no multi-layer perceptron"))
    for model, says in cases:
        with pytest.raises(ValueError, match=f"the model \\({type(model).__name__}\\): .*{says}"):
            ss.evaluate(model, x, q, **QUIET)
    good = classifiers(x, q, 1)[0]
    with pytest.raises(ValueError, match="model 1 .*not fitted"):
        ss.evaluate([good, cases[0][0]], x, q, **QUIET)
    with pytest.raises(ValueError, match="model 1 has 4x3 sigmoid units and model 0 has 5 sigmoid units"):
        ss.evaluate([good, *classifiers(x, q, 1, hidden_layer_sizes=(4, 3))], x, q, **QUIET)
    with pytest.raises(ValueError, match="belongs to the logistic loss, not to squared: leave loss out"):
        ss.evaluate(good, x, q, loss="squared", **QUIET)
    with pytest.raises(ValueError, match="hidden is 4, and the models have 5: leave hidden out"):
        ss.evaluate(good, x, q, hidden=4, **QUIET)
    with pytest.raises(ValueError, match="model 1 has 3 sigmoid units and model 0 has 5 sigmoid units"):
        ss.evaluate([good, *classifiers(x, q, 1, hidden_layer_sizes=(3,))], x, q, **QUIET)
    with pytest.raises(ValueError, match="it takes 3 inputs, and x has 2"):
        ss.evaluate(good, x[:, :2], q, **QUIET)
    with pytest.raises(ValueError, match="its activation is sigmoid, and tanh was asked for"):
        ss.evaluate(good, x, q, activation="tanh", **QUIET)
    with pytest.raises(ValueError, match="model 1 is of the type int"):
        ss.evaluate([good, 3], x, q, **QUIET)


def test_what_torch_has_and_is_not_here_is_refused_with_the_layer(data):
    nn = pytest.importorskip("torch.nn")
    x, q = labels(data)
    first, last = nn.Linear(3, 4), nn.Linear(4, 1)
    cases = [
        ([first, nn.LeakyReLU(), last], r"layer 1 \(LeakyReLU\(.*\)\) is not known here"),
        ([first, nn.Tanh(), nn.ReLU(), last], "layer 2 .*no activation can be"),
        ([first, nn.Tanh(), last, nn.Tanh()], "layer 3 .*no activation can be"),
        ([first, nn.Tanh(), nn.Linear(4, 4), nn.ReLU(), last], r"layer 3 \(ReLU\(\)\) is not as layer 1 \(Tanh\(\)\)"),
        ([first, nn.Tanh(), nn.Linear(4, 2)], "it has 2 outputs, which do not say what they are: pass loss="),
        ([first, nn.Tanh(), nn.Linear(4, 2), nn.Softmax(dim=0)], "layer 3 .*goes over dimension 0"),
        ([nn.Linear(3, 4, bias=False), nn.Tanh(), last], "layer 0 .* has no bias"),
        ([first, nn.GELU(approximate="tanh"), last], "approximates by tanh"),
        ([first, nn.Softplus(beta=2), last], "beta = 2"),
        ([first, nn.BatchNorm1d(4), nn.Tanh(), last], "layer 1 .* is not known here"),
        ([first, nn.Tanh(), nn.Dropout(0.5), last], "at random while the model trains"),
        ([nn.Tanh()], "layer 0 .*no activation can be"),
        ([], "no Linear layer"),
    ]
    for layers, says in cases:
        with pytest.raises(ValueError, match=says):
            ss.evaluate(nn.Sequential(*layers), x, q, **QUIET)
    dropped = nn.Sequential(first, nn.Tanh(), nn.Dropout(0.5), last).eval()
    plain = nn.Sequential(first, nn.Tanh(), last)
    found = [ss.evaluate(model, x, q, **QUIET)["loss"][0] for model in (dropped, plain)]
    assert found[0] == found[1]
    with pytest.raises(ValueError, match="no torch.nn.Sequential"):
        ss.evaluate(last, x, q, **QUIET)


def test_a_model_that_does_something_else_besides_is_found_out(data):
    torch = pytest.importorskip("torch")
    x, q = labels(data)

    class Shifted(torch.nn.Sequential):
        def forward(self, samples):
            return super().forward(samples) + 1e-4

    for dtype in (torch.float32, torch.float64):
        model = Shifted(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1)).to(dtype)
        with pytest.raises(ValueError, match=r"its output for x\[\d+\] is .*: it does something else besides"):
            ss.evaluate(model, x, q, **QUIET)
    turned = classifiers(x, q, 1)[0]
    turned.coefs_[0] = turned.coefs_[0] * 1.01
    original = turned.predict_proba
    turned.predict_proba = lambda samples: original(samples * 0.9)
    with pytest.raises(ValueError, match="it does something else besides"):
        ss.evaluate(turned, x, q, **QUIET)


def differentiated(torch, parameters, loss_of, x) -> tuple[float, float]:
    """The loss and lambda_1 by automatic differentiation in float64, of networks of tanh units of any depth."""
    shapes = [np.shape(parameter) for parameter in parameters]
    samples = torch.tensor(x.tolist(), dtype=torch.float64)

    def loss(theta):
        split = theta.split([int(np.prod(shape)) for shape in shapes])
        parts = [part.reshape(shape) for part, shape in zip(split, shapes, strict=True)]
        h = samples
        for k, (weights, biases) in enumerate(zip(parts[::2], parts[1::2], strict=True)):
            h = (torch.tanh(h) if k else h) @ weights.T + biases
        return loss_of(h)

    flat = np.concatenate([np.ravel(parameter) for parameter in parameters])
    theta = torch.tensor(flat.tolist(), dtype=torch.float64)
    hessian = np.array(torch.autograd.functional.hessian(loss, theta).tolist())
    return float(loss(theta)), float(np.linalg.eigvalsh((hessian + hessian.T) / 2)[-1])


@pytest.mark.parametrize("kind", ["classes", "labels", "values", "value"])
def test_deep_networks_of_scikit_learn_against_automatic_differentiation(data, kind):
    torch, neural_network = pytest.importorskip("torch"), pytest.importorskip("sklearn.neural_network")
    x, labelled = labels(data)
    rng = np.random.default_rng(5)
    q, kind_of, loss = {
        "classes": (np.arange(len(x)) % 3, neural_network.MLPClassifier, "softmax"),
        "labels": (np.c_[labelled, 1 - labelled, np.arange(len(x)) % 2], neural_network.MLPClassifier, "logistic"),
        "values": (rng.normal(size=(len(x), 2)), neural_network.MLPRegressor, "squared"),
        "value": (rng.normal(size=len(x)), neural_network.MLPRegressor, "squared"),
    }[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options = {"hidden_layer_sizes": (4, 3), "activation": "tanh", "max_iter": 20}
        models = [kind_of(**options, random_state=k).fit(x, q) for k in range(2)]
    run = ss.evaluate(models, x, q, spectrum=True, **QUIET)
    assert run.spec["hidden"] == [4, 3] and run["layer_trace"].shape == (2, 3)
    targets = torch.tensor(q.tolist(), dtype=torch.float64 if q.dtype.kind == "f" else torch.int64)
    loss_of = {
        "softmax": lambda z: torch.nn.functional.cross_entropy(z, targets, reduction="sum"),
        "logistic": lambda z: torch.nn.functional.binary_cross_entropy_with_logits(
            z, targets.double(), reduction="sum"
        ),
        "squared": lambda z: ((z - targets.double().reshape(z.shape)) ** 2).sum() / 2,
    }[loss]
    for k, model in enumerate(models):
        pairs = zip(model.coefs_, model.intercepts_, strict=True)
        parameters = [part for weights, biases in pairs for part in (weights.T, biases)]
        expected, eigenvalue = differentiated(torch, parameters, loss_of, x)
        assert run["loss"][k] == pytest.approx(expected, rel=1e-12)
        assert run["lambda_max"][k] == pytest.approx(eigenvalue, rel=5e-6)


def test_deep_networks_of_torch_say_their_loss_or_are_told(data):
    torch = pytest.importorskip("torch")
    x, q = labels(data)
    torch.manual_seed(2)
    nn = torch.nn
    model = nn.Sequential(
        nn.Linear(3, 4), nn.Tanh(), nn.Dropout(0.5), nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)
    ).eval()
    told = ss.evaluate(model, x, q, loss="softmax", **QUIET)
    said = ss.evaluate(nn.Sequential(*model, nn.Softmax(dim=1)), x, q, **QUIET)
    state = {name: parameter.detach() for name, parameter in model.state_dict().items()}
    bare = ss.evaluate(state, x, q, loss="softmax", activation="tanh", **QUIET)
    assert told["loss"][0] == said["loss"][0] == bare["loss"][0]
    with torch.no_grad():
        z = model(torch.tensor(x.tolist()))
    expected = torch.nn.functional.cross_entropy(z.double(), torch.tensor(q.tolist()), reduction="sum")
    assert told["loss"][0] == pytest.approx(float(expected), rel=1e-6)
    # One layer at several places, and layers that do nothing.
    shared, nothing = nn.Sigmoid(), nn.Identity()
    plain = nn.Sequential(nn.Linear(3, 4), nn.Sigmoid(), nn.Linear(4, 1))
    same = nn.Sequential(nothing, plain[0], shared, nothing, plain[2], shared, nothing)
    assert ss.evaluate(same, x, q, **QUIET)["loss"][0] == ss.evaluate(plain, x, q, **QUIET)["loss"][0]
    # Without a hidden layer it is a regression.
    line = nn.Sequential(nn.Linear(3, 1))
    assert ss.evaluate(line, x, q, **QUIET).spec["hidden"] == []
    probabilities = nn.Sequential(*model, nn.Softmax(dim=1))
    with pytest.raises(ValueError, match="belongs to the softmax loss, not to squared"):
        ss.evaluate(probabilities, x, np.c_[q, q], loss="squared", **QUIET)


def tree(rng, hidden: int = 4, dtype=np.float32):
    draw = lambda *shape: rng.normal(size=shape).astype(dtype)  # noqa: E731
    return {
        "params": {
            "Dense_0": {"kernel": draw(3, hidden), "bias": draw(hidden)},
            "Dense_1": {"kernel": draw(hidden, 1), "bias": draw(1)},
        }
    }


def test_trees_of_parameters_state_dictionaries_and_safetensors(data, tmp_path):
    x, q = labels(data)
    params = tree(np.random.default_rng(4))
    (w1, b1), (w2, b2) = ((layer["kernel"], layer["bias"]) for layer in params["params"].values())
    theta = np.r_[np.c_[b1, w1.T].ravel("F"), b2, w2.ravel()]
    expected = ss.evaluate(theta, x, q, activation="gelu", **QUIET)
    state = {"0.weight": w1.T.copy(), "0.bias": b1, "2.weight": w2.T.copy(), "2.bias": b2}
    wrapped = {"fc1": {"kernel": SimpleNamespace(value=w1), "bias": b1}, "fc2": {"kernel": w2, "bias": b2}}
    given = [params, params["params"], state, wrapped]
    safetensors = pytest.importorskip("safetensors.numpy")
    safetensors.save_file(state, tmp_path / "network.safetensors")
    given.append(tmp_path / "network.safetensors")
    for model in given:
        run = ss.evaluate([model, model], x, q, activation="gelu", **QUIET)
        assert run["theta"].dtype == np.float32
        assert (run["loss"] == expected["loss"][0]).all() and (run["theta"] == theta).all()
        with pytest.raises(ValueError, match="pass activation="):
            ss.evaluate(model, x, q, **QUIET)
    cases = [
        ({}, "no layers"),
        ({"a": {"kernel": w1, "bias": b1}, "b": {"kernel": w1, "bias": b1}}, "layer b takes 3 inputs, and .* 4 units"),
        ({"a": {"kernel": w1, "bias": b2}, "b": {"kernel": w2, "bias": b2}}, "layer a has 4 units and 1 biases"),
        ({"a": {"kernel": w1}, "b": {"kernel": w2, "bias": b2}}, "layer a has no bias"),
        ({"a": {"scale": b1}, "b": {"kernel": w2, "bias": b2}}, "layer a has scale"),
    ]
    for model, says in cases:
        with pytest.raises(ValueError, match=says):
            ss.evaluate(model, x, q, activation="tanh", **QUIET)
    (tmp_path / "broken.safetensors").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="broken.safetensors"):
        ss.evaluate(tmp_path / "broken.safetensors", x, q, activation="tanh", **QUIET)


def test_flax_and_equinox(data):
    jax = pytest.importorskip("jax")
    equinox, linen = pytest.importorskip("equinox"), pytest.importorskip("flax.linen")
    x, q = labels(data)
    functions = {
        "tanh": jax.numpy.tanh,
        "sigmoid": jax.nn.sigmoid,
        "softplus": jax.nn.softplus,
        "relu": jax.nn.relu,
        "silu": jax.nn.silu,
        "erf": jax.lax.erf,
        "square": jax.numpy.square,
    }
    for name, function in functions.items():
        key = jax.random.PRNGKey(3)
        model = equinox.nn.MLP(3, "scalar", 6, 1, activation=function, key=key)
        run = ss.evaluate(model, x, q, **QUIET)
        assert run.spec["activation"] == name and run["theta"].shape == (1, 31)
    with pytest.raises(ValueError, match="approximates its activation"):
        ss.evaluate(equinox.nn.MLP(3, 1, 6, 1, activation=jax.nn.gelu, key=key), x, q, **QUIET)
    with pytest.raises(ValueError, match="leaky_relu, which is unknown here"):
        ss.evaluate(equinox.nn.MLP(3, 1, 6, 1, activation=jax.nn.leaky_relu, key=key), x, q, **QUIET)
    deep = equinox.nn.MLP(3, 2, 6, 2, activation=jax.numpy.tanh, key=key)
    with pytest.raises(ValueError, match="2 outputs, which do not say"):
        ss.evaluate(deep, x, q, **QUIET)
    assert ss.evaluate(deep, x, q, loss="softmax", **QUIET)["layer_trace"].shape == (1, 3)

    class Net(linen.Module):
        @linen.compact
        def __call__(self, samples):
            return linen.Dense(1)(linen.tanh(linen.Dense(6)(samples)))

    net = Net()
    params = net.init(key, x)
    run = ss.evaluate(params, x, q, activation="tanh", **QUIET)
    z = np.asarray(net.apply(params, x))[:, 0]
    assert run["loss"][0] == pytest.approx((np.logaddexp(0, z) - q * z).sum(), rel=1e-5)


def test_networks_go_out_to_scikit_learn_and_come_back(data):
    pytest.importorskip("sklearn")
    x, q = labels(data)
    for activation in ("sigmoid", "tanh", "linear", "relu"):
        run = ss.sweep(x, q, seeds=4, activation=activation, max_steps=200, init_range=1, step_size=0.02, **QUIET)
        models = [run.sklearn(seed) for seed in range(4)]
        again = ss.evaluate(models, x, q, **QUIET)
        assert (again["theta"] == run["theta"]).all() and again.spec["activation"] == activation
        assert again["lambda_sup"].tobytes() == run["lambda_sup"].tobytes()
        assert set(models[0].predict(x)) <= {0, 1} and models[0].loss_ == pytest.approx(run["loss"][0] / len(q))
        assert 0 <= models[0].score(x, q) <= 1
    # scikit-learn's loss is the mean, whatever the run's is.
    weights = np.linspace(0.5, 3, len(q))
    options = {"hidden": 3, "max_steps": 5, "seeds": 1, **QUIET}
    mean = ss.sweep(x, q, reduction="mean", **options)
    assert mean.sklearn(0).loss_ == pytest.approx(float(mean["loss"][0]), rel=1e-12)
    weighted = ss.sweep(x, q, sample_weights=weights, **options)
    assert weighted.sklearn(0).loss_ == pytest.approx(float(weighted["loss"][0]) / weights.sum(), rel=1e-12)
    with pytest.raises(ValueError, match="scikit-learn has no gelu"):
        ss.sweep(x, q, seeds=1, activation="gelu", max_steps=2, **QUIET).sklearn(0)


def test_networks_go_out_to_torch_and_come_back(data):
    torch = pytest.importorskip("torch")
    x, q = labels(data)
    with pytest.raises(ValueError, match="torch.nn has no layer square"):
        ss.sweep(x, q, seeds=1, activation="square", max_steps=2, **QUIET).torch(0)
    for activation in ("relu", "silu", "sigmoid", "tanh", "linear", "softplus", "gelu"):
        run = ss.sweep(x, q, seeds=3, activation=activation, max_steps=100, init_range=1, step_size=0.02, **QUIET)
        models = [run.torch(seed) for seed in range(3)]
        assert models[0][0].weight.dtype == torch.float32
        again = ss.evaluate(models, x, q, **QUIET)
        assert again["theta"].tobytes() == run["theta"].tobytes() and again.spec["activation"] == activation
    wide = ss.evaluate(run["theta"].astype(np.float64), x, q, activation="gelu", **QUIET)
    assert wide.torch(0)[0].weight.dtype == torch.float64
    assert ss.evaluate(wide.torch(0), x, q, **QUIET)["theta"].dtype == np.float64


def test_matrices_of_a_run_come_back_as_the_network(small):
    for dtype in (np.float32, np.float64):
        params = {name: matrix.astype(dtype) for name, matrix in small.params(5).items()}
        again = ss.evaluate(params, activation="sigmoid", backend="cpu", progress=False)
        assert again["theta"].dtype == dtype and again["lambda_sup"][0] == small["lambda_sup"][5]
    several = ss.evaluate([small.params(k) for k in (3, 4)], activation="sigmoid", backend="cpu", progress=False)
    assert several["loss"].tolist() == small["loss"][3:5].tolist()
    deep = ss.sweep(seeds=2, hidden=(4, 3), max_steps=3, backend="cpu", progress=False)
    again = ss.evaluate(deep.params(1), activation="sigmoid", backend="cpu", progress=False)
    assert again["theta"][0].tobytes() == deep["theta"][1].tobytes() and again["loss"][0] == deep["loss"][1]
    params["V"] = params["V"][:, 1:]
    with pytest.raises(ValueError, match=r"W has the shape \(3, 3\) and V \(1, 3\)"):
        ss.evaluate(params, activation="sigmoid")
    with pytest.raises(ValueError, match=r'pass run\["theta"\]'):
        ss.evaluate(small)
