"""A run as a mapping, a table and a frame, from memory and from a directory."""

from __future__ import annotations

import json
import pickle
import shutil

import numpy as np
import pytest
import sharpsweep as ss


@pytest.fixture
def stored(tmp_path, small) -> ss.Run:
    options = {"seeds": 60, "max_steps": 3000, "backend": "cpu", "spectrum": True, "progress": False}
    return ss.sweep(**options, out=tmp_path / "run")


def test_a_run_is_a_mapping_of_its_columns(small):
    assert list(small)[:4] == ["seed", "theta", "status", "steps"] and len(small) == 18
    assert "lambda_sup" in small and "nothing" not in small
    assert {name: small[name].shape for name in ("seed", "theta")} == {"seed": (60,), "theta": (60, 13)}
    assert dict(small.items()).keys() == small.keys()
    with pytest.raises(KeyError, match="this run has the columns seed, theta"):
        small["nothing"]
    dtypes = {"seed": "u8", "status": "u1", "steps": "u4", "theta": "f4", "loss": "f8"}
    assert {name: small[name].dtype.str[1:] for name in dtypes} == dtypes


def test_a_directory_is_mapped_into_memory_and_not_read(stored):
    run = ss.Run(stored.path)
    theta = run["theta"]
    assert isinstance(theta, np.memmap) and not theta.flags.writeable and run["theta"] is theta
    with pytest.raises(ValueError, match="read-only"):
        theta[0, 0] = 1
    assert run.path == stored.path and run.finished


def test_the_summary_is_the_command_line_s(stored, small, run_program):
    printed = run_program("show", stored.path).stdout.rstrip("\n")
    assert repr(stored) == printed and stored.summary("all") != printed
    assert stored.summary("all") == run_program("show", stored.path, "--over", "all").stdout.rstrip("\n")
    # In memory everything but time and place is the same.
    ours, theirs = repr(small).split("\n"), printed.split("\n")
    assert ours[:2] == theirs[:2] and ours[3:-1] == theirs[3:-1]
    assert ours[-1] == "18 columns of 60 rows in memory"
    assert "converged" in small.summary("converged")


def test_the_summary_of_an_evaluation_hints_at_a_wrong_order(small):
    turned = ss.evaluate(np.ascontiguousarray(small["theta"][:, ::-1]), backend="cpu", progress=False)
    assert "hint: the median loss is" in repr(turned) and "60 networks from elsewhere," in repr(turned)
    with pytest.raises(ValueError, match="evaluate with tolerance"):
        turned.summary("converged")
    with pytest.raises(ValueError, match="over"):
        turned.summary("some")


def test_a_notebook_gets_a_table(small, stored):
    for run in (small, stored):
        page = run._repr_html_()
        assert page.count("<table>") == 1 and "<th>median</th>" in page and page.count("<tr>") == 10
        assert f"{np.median(run.converged['lambda_sup']):.3f}" in page
        for line in repr(run).split("\n"):
            assert not line or line.split("  ")[0].replace("&", "&amp;") in page.replace("&quot;", '"')


def test_rows_are_chosen_by_convergence_and_by_mask(small):
    kept = small["status"] == 0
    assert 0 < kept.sum() < 60
    assert (small.converged["lambda_max"] == small["lambda_max"][kept]).all()
    assert small.converged["theta"].shape == (kept.sum(), 13)
    assert list(small.converged) == list(small)
    sharp = small.where(np.argsort(small["lambda_sup"])[:5])
    assert (sharp["lambda_sup"] == np.sort(small["lambda_sup"])[:5]).all()
    assert "5 networks, 18 columns" in repr(sharp)
    with pytest.raises(ValueError, match="mask"):
        small.where(kept[:-1])


def test_a_network_is_found_by_its_seed():
    run = ss.sweep(seeds=(100, 110), max_steps=20, backend="cpu", progress=False)
    assert (run.theta(103) == run["theta"][3]).all() and run.row(109) == 9
    for seed in (99, 110):
        with pytest.raises(KeyError, match="100..110"):
            run.theta(seed)
    # z = V h(f(W h(x))) gives the loss.
    params, data = run.params(103), run.data
    hidden = 1 / (1 + np.exp(-(params["W"][:, 1:] @ data["x"].T + params["W"][:, :1])))
    z = params["V"][:, 1:] @ hidden + params["V"][:, :1]
    loss = (np.logaddexp(0, z[0]) - data["q"] * z[0]).sum()
    assert params["W"].shape == (3, 3) and params["V"].shape == (1, 4)
    assert loss == pytest.approx(run["loss"][3], rel=1e-6)
    without = ss.sweep(seeds=4, keep="summary", max_steps=5, backend="cpu", progress=False)
    with pytest.raises(KeyError, match="theta"):
        without.theta(0)


def test_pandas(small):
    pandas = pytest.importorskip("pandas")
    frame = small.to_pandas()
    assert isinstance(frame, pandas.DataFrame) and frame.index.name == "seed" and len(frame) == 60
    assert (frame["lambda_sup"] == small["lambda_sup"]).all() and (frame["theta_12"] == small["theta"][:, 12]).all()
    assert frame.shape == (60, 16 + 13)


def test_polars(small):
    polars = pytest.importorskip("polars")
    frame = small.to_polars()
    assert isinstance(frame, polars.DataFrame) and frame.columns == list(small) and frame.height == 60
    assert (frame["lambda_sup"].to_numpy() == small["lambda_sup"]).all()
    assert frame["theta"].dtype == polars.Array(polars.Float32, 13)


def test_xarray(small, stored, tmp_path):
    xarray = pytest.importorskip("xarray")
    for run in (small, stored):
        dataset = run.dataset()
        assert isinstance(dataset, xarray.Dataset) and dataset["theta"].dims == ("seed", "parameter")
        assert (dataset["lambda_sup"].sel(seed=17) == run["lambda_sup"][17]).all()
        assert json.loads(dataset.attrs["spec"]) == run.spec and dataset.attrs["version"] == ss.__version__
        assert dataset["loss"].attrs["long_name"].startswith("L, the cross-entropy")


def test_a_damaged_directory_is_an_error(stored):
    copy = stored.path.with_name("copy")
    shutil.copytree(stored.path, copy)
    (copy / "loss.npy").write_bytes(b"no array")
    run = ss.Run(copy)
    with pytest.raises(ss.Error, match="loss.npy"):
        run["loss"]
    (copy / "status.npy").unlink()
    with pytest.raises(ss.Error, match="status"):
        ss.Run(copy)


def test_what_is_handed_out_changes_nothing(small):
    small.manifest["spec"].clear()
    small.data["x"][:] = 0
    small.theta(3)[:] = 0
    assert small.spec["hidden"] == 3 and small.data["x"].any() and small["theta"][3].any()


def test_wide_columns(backends):
    run = ss.sweep(seeds=5, spectrum=["vectors", "all", 2], max_steps=20, backend="cpu", progress=False)
    assert run["u_1"].shape == (5, 13) and run["eigenvalues_smallest"].shape == (5, 2)
    assert np.allclose(run["eigenvalues"][:, :2], run["eigenvalues_largest"])
    if xarray := pytest.importorskip("xarray"):
        assert isinstance(run.dataset(), xarray.Dataset) and run.dataset()["eigenvalues"].dims[1] == "eigenvalue"


def test_a_run_in_a_directory_goes_to_other_processes(tmp_path, monkeypatch, small):
    monkeypatch.chdir(tmp_path)
    run = ss.sweep(seeds=5, max_steps=20, backend="cpu", out="run", progress=False)
    content = pickle.dumps(run)
    monkeypatch.chdir("/")
    assert pickle.loads(content)["theta"].tobytes() == run["theta"].tobytes()
    with pytest.raises(TypeError, match="in memory cannot be pickled"):
        pickle.dumps(small)
    assert pickle.loads(pickle.dumps(dict(small)))["loss"].tobytes() == small["loss"].tobytes()
