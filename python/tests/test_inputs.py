"""Arrays of every kind are taken or refused with a sentence, and nobody can change them meanwhile."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import sharpsweep as ss

FEW = {"seeds": 6, "max_steps": 30, "backend": "cpu", "progress": False}


def same(a: ss.Run, b: ss.Run) -> bool:
    return all(a[name].tobytes() == b[name].tobytes() for name in a)


def test_every_number_type_order_and_view_gives_the_same_columns(data):
    x, q = np.round(data[0] * 4), data[1]
    expected = ss.sweep(x, q, **FEW)
    backwards = np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1]
    wide = np.zeros((80, 6))
    wide[::2, ::2] = x
    read_only = x.copy()
    read_only.flags.writeable = False
    shifted = np.frombuffer(b"\0" + x.tobytes(), dtype=np.uint8)[1:].view(np.uint8)
    unaligned = np.ndarray(x.shape, x.dtype, buffer=bytearray(b"\0" + x.tobytes()), offset=1)
    assert shifted.size == x.nbytes and not unaligned.flags.aligned
    views = [x.astype(t) for t in ["f2", "f4", "f8", "g", "i1", "i2", "i4", "i8", ">f8", ">f4", ">i2"]]
    views += [np.asfortranarray(x), backwards, wide[::2, ::2], read_only, unaligned, x.tolist()]
    for samples in views:
        assert same(ss.sweep(samples, q, **FEW), expected), getattr(samples, "dtype", "list")
    labels = [q.astype(t) for t in ["?", "u1", "i8", "f4"]] + [q[:, None], q.tolist(), np.repeat(q, 2)[::2]]
    for answers in labels:
        assert same(ss.sweep(x, answers, **FEW), expected), getattr(answers, "dtype", "list")
    unsigned = np.abs(x)
    assert same(ss.sweep(unsigned.astype("u2"), q, **FEW), ss.sweep(unsigned, q, **FEW))


def test_frames_and_tensors_are_taken(data):
    x, q = data
    expected = ss.sweep(x, q, **FEW)
    pandas = pytest.importorskip("pandas")
    assert same(ss.sweep(pandas.DataFrame(x, columns=list("abc")), pandas.Series(q), **FEW), expected)
    polars = pytest.importorskip("polars")
    assert same(ss.sweep(polars.DataFrame(x), polars.Series(q), **FEW), expected)
    torch = pytest.importorskip("torch")
    watched = torch.tensor(x.tolist(), dtype=torch.float64, requires_grad=True)
    assert same(ss.sweep(watched, torch.tensor(q.tolist()), **FEW), expected)


def test_what_only_speaks_dlpack_is_taken(data):
    class Exporter:
        def __init__(self, array):
            self._array = array

        def __dlpack__(self, **more):
            return self._array.__dlpack__(**more)

        def __dlpack_device__(self):
            return self._array.__dlpack_device__()

    x, q = data
    assert same(ss.sweep(Exporter(x), Exporter(q), **FEW), ss.sweep(x, q, **FEW))


REFUSED = [
    ("flat", lambda x, q: (x.ravel(), q), r"x: the array has the shape \(120,\), but x must be two-dimensional"),
    ("no rows", lambda x, q: (x[:0], q[:0]), "at least one sample"),
    ("NaN", lambda x, q: (np.where(x == x[3, 1], np.nan, x), q), r"x\[3, 1\] is NaN"),
    ("inf", lambda x, q: (np.where(x == x[3, 1], np.inf, x), q), r"x\[3, 1\] is inf"),
    ("beyond float32", lambda x, q: (np.where(x == x[3, 1], 1e39, x), q), "within the range of f32"),
    ("labels", lambda x, q: (x, q * 2), r"q holds two classes, 0 and 2: .*\(q == 2\)"),
    ("three classes", lambda x, q: (x, np.arange(len(q)) % 3), "3 classes"),
    ("no label", lambda x, q: (x, np.where(np.arange(len(q)) == 5, np.nan, q)), "without a label"),
    ("lengths", lambda x, q: (x, q[:-1]), "40 rows but q has 39 targets"),
    ("transposed", lambda x, q: (x.T, q), "one sample per column"),
    ("text", lambda x, q: (x.astype(str), q), r"x.astype\(np.float32\)"),
    ("text labels", lambda x, q: (x, np.where(q > 0, "yes", "no")), "np.unique"),
    ("objects", lambda x, q: (x.astype(object), q), r"np.asarray\(x, dtype=np.float32\)"),
    ("complex", lambda x, q: (x + 1j, q), "x.real"),
    ("dates", lambda x, q: (x.astype("M8[s]"), q), "standardize"),
    ("no array", lambda x, q: (object(), q), "x"),
    ("a ragged list", lambda x, q: ([[1.0, 2.0], [3.0]], q), "x is no array of numbers"),
    ("no q", lambda x, q: (x, None), "x is given without q"),
]


@pytest.mark.parametrize(("change", "says"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_data_that_cannot_be_used_are_refused_with_what_mends_them(data, change, says):
    with pytest.raises(ValueError, match=says) as refused:
        ss.sweep(*change(*data), **FEW)
    assert "--" not in str(refused.value)


def test_options_of_built_in_data_are_not_for_ones_own(data):
    with pytest.raises(ValueError, match="leave out data, samples, data_noise"):
        ss.sweep(*data, data="moons", samples=30, data_noise=0.3, **FEW)


def test_names_of_files_stay_as_they_are_in_sentences(tmp_path):
    place = tmp_path / "a--max-steps" / "--seeds"
    with pytest.raises(ss.Error) as refused:
        ss.Run(place)
    assert str(place) in str(refused.value)


def test_what_to_do_with_a_directory_is_said_as_a_call(tmp_path):
    place = tmp_path / "a run"
    ss.sweep(**FEW, out=place)
    with pytest.raises(ss.Error) as refused:
        ss.sweep(**FEW, out=place)
    call = f'sharpsweep.resume("{place}")'
    assert f"to finish it: {call}; for more seeds or more steps: {call} with seeds S or max_steps T" in str(
        refused.value
    )


def test_sentences_are_those_of_the_command_line(tmp_path, run_program, data):
    x, q = data
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "q.npy", q + 1)
    done = run_program("sweep", "--x", tmp_path / "x.npy", "--q", tmp_path / "q.npy")
    with pytest.raises(ValueError) as refused:
        ss.sweep(x, q + 1, **FEW)
    assert done.stderr.strip() == f"error: {tmp_path}/{str(refused.value).replace('q: ', 'q.npy: ', 1)}"
    with pytest.raises(ValueError) as refused:
        ss.sweep(tmp_path / "x.npy", tmp_path / "q.npy", **FEW)
    assert done.stderr.strip() == f"error: {refused.value}"


NUMBERS = [
    ({"hidden": 2.5}, "hidden is 2.5: it must be a whole number"),
    ({"hidden": True}, "whole number"),
    ({"step_size": -1}, "step size is -1"),
    ({"step_size": [0.1, 0.2]}, "in a loop"),
    ({"step_size": float("nan")}, "step size is NaN"),
    ({"step_size": "0.1"}, "step_size is '0.1': it must be a number"),
    ({"init_range": 0}, "initial range"),
    ({"tolerance": -1e-3}, "tolerance"),
    ({"weight_decay": -1}, "weight decay"),
    ({"max_steps": 2**32}, "max_steps"),
    ({"seeds": 0}, "holds no seed"),
    ({"seeds": (5, 5)}, "holds no seed"),
    ({"seeds": range(0, 10, 2)}, "step 1"),
    ({"seeds": -3}, "negative"),
    ({"seeds": 2**65}, "2\\^64"),
    ({"shard": (9, 8)}, "is no shard"),
    ({"shard": 3}, "shard is 3"),
    ({"seeds": 2, "shard": (1, 3)}, "cannot be cut into 3 parts"),
    ({"activation": "elu"}, "activation: .*elu"),
    ({"activation": 3}, "activation is 3"),
    ({"backend": "cuda"}, "backend: .*cuda"),
    ({"keep": "some"}, "keep"),
    ({"route": "short"}, "route"),
    ({"spectrum": "vector"}, "`vector` is not values"),
    ({"spectrum": 2.5}, "spectrum is 2.5"),
    ({"brackets": "nine"}, "four, eight or a width"),
    ({"polish": "up"}, "polish"),
    ({"polish": True, "polish_radius": 3}, 'polish_radius is for polish="nearest"'),
    ({"polish": "nearest", "polish_radius": -3}, "polish_radius is -3"),
    ({"backend": "cpu", "adapter": 0}, 'use it with backend="gpu" or auto'),
    ({"dispatch_ms": 0}, "dispatch_ms is 0"),
    ({"memory": 0}, "memory is 0"),
    ({"progress": 3}, "progress is 3"),
    ({"samples": 1}, "at least 2"),
    ({"data": "wave"}, "data: .*wave"),
    ({"data": "moons", "data_inputs": 3}, "data_inputs is for other built-in data: moons takes data_noise"),
    ({"data": "moons", "data_noise": -1}, "the noise is -1"),
    ({"data_label_noise": 2}, "the label noise is 2"),
    ({"data": "circles", "data_classes": 60}, "at least 60"),
    ({"data": "teacher", "teacher_hidden": [3, 0]}, "teacher_hidden: .*8x8"),
    ({"data": "teacher", "teacher_activation": "wave"}, "teacher_activation: .*wave"),
    ({"data_seed": [0, 1]}, "in a loop"),
    ({"test_samples": 0}, "test samples is 0"),
]


@pytest.mark.parametrize(("arguments", "says"), NUMBERS, ids=[str(case[0]) for case in NUMBERS])
def test_options_that_make_no_sense_are_refused_by_name(arguments, says):
    with pytest.raises(ValueError, match=says):
        ss.sweep(**{**FEW, **arguments})


def test_what_cannot_be_done_is_an_error_of_the_package(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note.txt").write_text("mine")
    with pytest.raises(ss.Error, match="already holds"):
        ss.sweep(**FEW, out=tmp_path / "full")
    with pytest.raises(ss.Error, match="no adapter has the number `no such card`|no Vulkan"):
        ss.sweep(**{**FEW, "backend": "gpu"}, adapter="no such card")
    with pytest.raises(ss.Error, match="out= writes them into a directory"):
        ss.sweep(**{**FEW, "seeds": 10**12})
    with pytest.raises(ss.Error, match="no run directory"):
        ss.Run(tmp_path / "full")
    assert issubclass(ss.Error, RuntimeError) and ss.Error.__module__ == "sharpsweep"


THETA = [
    (np.zeros((4, 12)), {}, "no number N of hidden units"),
    (np.zeros((4, 12)), {"hidden": 3}, r"theta has 12 columns, .* = 13 parameters: check hidden and x"),
    (np.zeros((0, 13)), {}, "no networks"),
    (np.zeros((2, 2, 13)), {}, "theta"),
    (np.full((4, 13), np.nan), {}, r"theta\[0, 0\] is NaN"),
    (np.full((4, 13), 1e39), {}, r"within the range of f32"),
    (np.full((4, 13), "a"), {}, r"theta.astype\(np.float32\)"),
    ("no-such-theta.npy", {}, "no such file"),
]


@pytest.mark.parametrize(("theta", "more", "says"), THETA)
def test_networks_that_cannot_be_used_are_refused(theta, more, says):
    with pytest.raises(ValueError, match=says):
        ss.evaluate(theta, backend="cpu", progress=False, **more)


def test_hidden_layers_are_said_in_every_way_or_refused(data):
    for hidden in (3, np.array(3), "3", [3], np.array([3])):
        assert ss.sweep(hidden=hidden, **FEW).spec["hidden"] == 3
    for hidden in ((), "none", 0):
        assert ss.sweep(hidden=hidden, **FEW).spec["hidden"] == []
    for hidden in (None, ""):
        with pytest.raises(ValueError, match="hidden"):
            ss.sweep(hidden=hidden, **FEW)
    with pytest.raises(ValueError, match="leave out teacher_hidden"):
        ss.sweep(*data, teacher_hidden=np.array([8, 8]), **FEW)


def test_networks_of_every_type_order_and_view(small):
    theta = small["theta"]
    expected = ss.evaluate(theta, backend="cpu", progress=False)
    wide = np.repeat(np.repeat(theta, 2, axis=0), 2, axis=1)[::2, ::2]
    fixed = theta.copy()
    fixed.flags.writeable = False
    for given in [np.asfortranarray(theta), wide, fixed, theta.astype(">f4")]:
        again = ss.evaluate(given, backend="cpu", progress=False)
        assert again["theta"].dtype == np.float32 and same(again, expected)
    wider = ss.evaluate(theta.astype(np.float64), backend="cpu", progress=False)
    assert wider["theta"].dtype == np.float64
    assert wider["lambda_sup"].tobytes() == expected["lambda_sup"].tobytes()
    one = ss.evaluate(theta[5], backend="cpu", progress=False)
    assert one["theta"].shape == (1, 13) and one["loss"][0] == expected["loss"][5]


def test_an_array_that_another_thread_changes_counts_as_it_was(data):
    x, q = data
    theta = np.random.default_rng(3).normal(size=(40_000, 16)).astype(np.float32)
    expected = ss.evaluate(theta, x, q, backend="cpu", progress=False)
    changing, begun, done = theta.copy(), threading.Event(), threading.Event()

    def change() -> None:
        begun.wait()
        while not done.is_set():
            changing[:] = np.nan
            x_changing[:] = 0

    x_changing = x.copy()
    thread = threading.Thread(target=change)
    thread.start()
    # The first report comes before the first network is computed, after the arrays are copied.
    run = ss.evaluate(changing, x_changing, q, backend="cpu", progress=lambda done, total: begun.set())
    done.set()
    thread.join()
    assert np.isnan(changing).all()
    assert same(run, expected)
