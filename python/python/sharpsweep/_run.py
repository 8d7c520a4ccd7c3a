"""A run: columns by name, in memory or in a directory."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _models, _native

if TYPE_CHECKING:
    import pandas
    import polars
    import xarray

__all__ = ["Run"]

CONVERGED = 0


class Run(Mapping[str, np.ndarray]):
    """The columns of a run by name, one row per network in the order of the seeds.

    `Run(path)` opens a directory that `sweep(out=...)`, `evaluate(out=...)` or the command line wrote. Its columns are
    mapped into memory when they are first asked for, read-only, and may be asked for while the run is being written.

    Parameters
    ----------
    path
        The directory.

    Raises
    ------
    sharpsweep.Error
        If there is no run, or its files do not belong together.

    Attributes
    ----------
    path
        The directory as a `pathlib.Path`; `None` for a run in memory.
    """

    path: Path | None

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._open(_native.Directory(os.fspath(path)), Path(path))

    def _open(self, directory: _native.Directory, path: Path) -> None:
        self._native: _native.Directory | _native.Memory = directory
        self.path = path
        # Columns are read when they are asked for, and the current directory may be another one then.
        self._place = path.absolute()
        self._manifest: dict[str, Any] = json.loads(directory.manifest())
        self._columns: dict[str, np.ndarray] = {}

    @classmethod
    def _of(cls, found: Any, path: str | None) -> Run:
        """The run that the native module hands over."""
        run = cls.__new__(cls)
        if isinstance(found, tuple):
            run._columns, run._native = found
            run._manifest = json.loads(run._native.manifest())
            run.path = None
        else:
            assert path is not None
            run._open(found, Path(path))
        return run

    # A mapping of columns.

    @property
    def _names(self) -> list[str]:
        names = [column["name"] for column in self._manifest["columns"]]
        return names + [column["name"] for column in self._manifest.get("derived", [])]

    def __getitem__(self, name: str) -> np.ndarray:
        """The column `name`, (S,) or (S, width)."""
        if name not in self._columns:
            if self.path is None or name not in self._names:
                raise KeyError(f"{name}: this run has the columns {', '.join(self._names)}")
            try:
                self._columns[name] = np.load(self._place / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            except (OSError, ValueError) as error:
                raise _native.Error(f"{self.path / name}.npy cannot be read: {error}") from error
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__

    def __reduce__(self) -> tuple[Any, ...]:
        if self.path is None:
            raise TypeError("a run in memory cannot be pickled: sweep with out=, or pickle dict(run), its columns")
        return Run, (str(self._place),)

    # What was run.

    @property
    def manifest(self) -> dict[str, Any]:
        """What was run and how it went: the content of `manifest.json`, as a new dictionary."""
        return json.loads(json.dumps(self._manifest))

    @property
    def data(self) -> dict[str, np.ndarray]:
        """The data that were used, by name.

        `x` (I, M), the targets `q` as they were given, (I,) or (I, K), with test data `test_x` and `test_q`, and
        `sample_weights` (I,) as they count in the loss. Float64, but class numbers int64.
        """
        return self._native.data()

    @property
    def finished(self) -> bool:
        """Whether every row is written."""
        return self._manifest["state"] == "finished"

    @property
    def spec(self) -> dict[str, Any]:
        """What determines the columns: the part `spec` of the manifest."""
        return self.manifest["spec"]

    # Which networks.

    @property
    def converged(self) -> Mapping[str, np.ndarray]:
        """The columns over the networks that converged alone: `run.converged["lambda_sup"]`, copies.

        Of an evaluation without a tolerance none is known to have converged, and every column is empty.
        """
        return Rows(self, self["status"] == CONVERGED)

    def where(self, rows: Any) -> Mapping[str, np.ndarray]:
        """The columns over some rows, by a mask (S,) of bool or by row numbers: copies."""
        return Rows(self, rows)

    def row(self, seed: int) -> int:
        """The row of `seed`.

        Raises
        ------
        KeyError
            If the run does not have that seed.
        """
        first, count = _seeds(self._manifest["spec"]["work"])
        index = int(seed) - first
        if not 0 <= index < count:
            raise KeyError(f"seed {seed}: this run has the seeds {first}..{first + count}")
        return index

    def theta(self, seed: int) -> np.ndarray:
        """The weights of the network of `seed`, (D,): `theta[m N + n]` = W[n, m] with m = 0 the bias, then v_0 .. v_N.

        For networks beyond the paper's the layers follow each other, W_l[a, p] at p N_l + a of its layer, p = 0 the
        bias. `params` gives them as matrices.

        Raises
        ------
        KeyError
            If the run does not have that seed, or keeps no weights.
        """
        return np.array(self["theta"][self.row(seed)])

    def params(self, seed: int) -> dict[str, np.ndarray]:
        """The weights of the network of `seed` as matrices.

        Returns
        -------
        dict
            `W` (N, M + 1), column 0 the biases of the hidden units, and `V` (K, N + 1), column 0 those of the outputs:
            z = V h(f(W h(x))) with h(x) = [1; x]. For another number of hidden layers `W_1` .. `W_P`, `W_l` (N_l,
            N_{l-1} + 1).
        """
        spec = self._manifest["spec"]
        hidden = spec["hidden"] if isinstance(spec["hidden"], list) else [spec["hidden"]]
        widths = [spec["data"]["inputs"], *hidden, spec.get("outputs", 1)]
        names = ["W", "V"] if len(hidden) == 1 else [f"W_{layer}" for layer in range(1, len(widths))]
        theta, found, start = self.theta(seed), {}, 0
        for name, inputs, units in zip(names, widths[:-1], widths[1:], strict=True):
            end = start + (inputs + 1) * units
            found[name] = theta[start:end].reshape(inputs + 1, units).T.copy()
            start = end
        return found

    def sklearn(self, seed: int) -> Any:
        """The network of `seed` as a fitted `sklearn.neural_network.MLPClassifier` for the classes 0 and 1.

        Of a run with `standardize` it takes standardized inputs, as `run.data` has them.

        Raises
        ------
        ValueError
            For an activation that scikit-learn does not have, and for networks with another number of hidden layers
            than one, several outputs or another loss.
        """
        spec = self._manifest["spec"]
        logistic = spec.get("outputs", 1) == 1 and spec.get("loss", "logistic") == "logistic"
        if isinstance(spec["hidden"], list) or not logistic:
            raise ValueError("only networks with one hidden layer, one output and the logistic loss are converted")
        row = self.row(seed)
        # Of the mean loss the weights of the samples add up to 1.
        weights = self.data.get("sample_weights")
        loss = float(self["loss"][row]) / (spec["data"]["samples"] if weights is None else float(weights.sum()))
        return _models.to_sklearn(self.params(seed), spec["activation"], loss, int(self["steps"][row]))

    def torch(self, seed: int) -> Any:
        """The network of `seed` as a `torch.nn.Sequential` of Linear layers and activations, whose output is z.

        Its weights are those of the run, in their precision. Of a run with `standardize` it takes standardized inputs.

        Raises
        ------
        ValueError
            For hidden layers of erf and square, of which torch.nn has none.
        """
        return _models.to_torch(self.params(seed), self._manifest["spec"]["activation"])

    # What a person sees.

    def summary(self, over: str | None = None) -> str:
        """The summary that the command line prints.

        Parameters
        ----------
        over
            The networks that the quantiles are over: `"converged"` or `"all"`. By default those that converged, if some
            did; for networks that were not trained here all.

        Raises
        ------
        ValueError
            If no rule says which networks converged, and these are asked for.
        """
        if over is not None and not isinstance(over, str):
            raise ValueError(f"over is {over!r}: it must be a word")
        if isinstance(self._native, _native.Memory):
            plain = {name: np.ascontiguousarray(values) for name, values in self._columns.items() if values.ndim == 1}
            return self._native.summary(plain, over)
        text = self._native.summary(over)
        return text if self.finished else f"{text}\nnot finished: go on with sharpsweep.resume({str(self.path)!r})"

    def __repr__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        return _table(self)

    # Other libraries.

    def _frame(self) -> dict[str, np.ndarray]:
        """Columns of one number each; a wide column `name` of width K becomes `name_0` .. `name_K-1`."""
        flat: dict[str, np.ndarray] = {}
        for name in self:
            values = self[name]
            if values.ndim == 1:
                flat[name] = values
            else:
                flat.update({f"{name}_{k}": values[:, k] for k in range(values.shape[1])})
        return flat

    def to_pandas(self) -> pandas.DataFrame:
        """A `pandas.DataFrame` with the seeds as its index; a wide column becomes one for each of its elements."""
        import pandas

        flat = self._frame()
        index = pandas.Index(np.asarray(flat.pop("seed")), name="seed")
        return pandas.DataFrame({name: np.asarray(values) for name, values in flat.items()}, index=index)

    def to_polars(self) -> polars.DataFrame:
        """A `polars.DataFrame`; a wide column becomes one of the type `Array`."""
        import polars

        return polars.DataFrame({name: polars.Series(name, np.ascontiguousarray(self[name])) for name in self})

    def dataset(self) -> xarray.Dataset:
        """An `xarray.Dataset` with the coordinate `seed`, and the manifest as attributes.

        Attributes that have parts are JSON, so that the set can be written to netCDF. The meaning of each column is its
        attribute `long_name`.
        """
        import xarray

        meanings = {column["name"]: column["meaning"] for column in self._manifest["columns"]}
        meanings.update({column["name"]: column["meaning"] for column in self._manifest.get("derived", [])})
        variables = {}
        for name in self:
            if name == "seed":
                continue
            values = self[name]
            dims = ("seed",) if values.ndim == 1 else ("seed", _dimension(name))
            variables[name] = (dims, values, {"long_name": meanings[name]})
        attributes = {
            key: value if isinstance(value, (str, int, float)) else json.dumps(value)
            for key, value in self._manifest.items()
            if key != "columns" and value is not None
        }
        return xarray.Dataset(variables, coords={"seed": ("seed", np.asarray(self["seed"]))}, attrs=attributes)


class Rows(Mapping[str, np.ndarray]):
    """The columns of some rows of a run, each taken when it is asked for."""

    def __init__(self, run: Run, rows: Any) -> None:
        self._run, self._rows = run, np.asarray(rows)
        if self._rows.dtype == bool and self._rows.shape != (len(run["status"]),):
            raise ValueError(f"the mask has the shape {self._rows.shape}, the run {len(run['status'])} rows")

    def __getitem__(self, name: str) -> np.ndarray:
        return np.asarray(self._run[name][self._rows])

    def __iter__(self) -> Iterator[str]:
        return iter(self._run)

    def __len__(self) -> int:
        return len(self._run)

    def __repr__(self) -> str:
        networks = int(self._rows.sum()) if self._rows.dtype == bool else len(self._rows)
        return f"{networks} networks, {len(self)} columns: {', '.join(self)}"


def _dimension(name: str) -> str:
    """The second dimension of a wide column: weights and eigenvectors share theirs."""
    if name in ("theta", "theta_polished") or name.startswith("u_"):
        return "parameter"
    return "eigenvalue" if name == "eigenvalues" else f"{name}_index"


def _seeds(work: dict[str, Any]) -> tuple[int, int]:
    return (work["first_seed"], work["seeds"]) if work["kind"] == "sweep" else (0, work["networks"])


def _table(run: Run) -> str:
    """The summary in HTML: the table of quantiles as a table, the lines around it as they are."""
    out: list[str] = []
    rows: list[list[str]] = []

    def flush() -> None:
        if rows:
            head = "".join(f"<th>{html.escape(cell)}</th>" for cell in rows[0])
            body = ""
            for name, *cells in rows[1:]:
                values = "".join(f'<td style="text-align: right">{html.escape(cell)}</td>' for cell in cells)
                body += f'<tr><th style="text-align: left">{html.escape(name)}</th>{values}</tr>'
            out.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")
            rows.clear()

    for line in run.summary().split("\n"):
        cells = [line[:18].strip(), *(line[18 + 12 * k : 30 + 12 * k].strip() for k in range(5))]
        is_head = cells[1:] == ["10 %", "25 %", "median", "75 %", "90 %"]
        if is_head or (rows and len(line) >= 78):
            fewer = line[78:].strip()
            rows.append([f"{cells[0]} ({fewer})" if fewer else cells[0], *cells[1:]])
            continue
        flush()
        if line:
            out.append(f"<div>{html.escape(line)}</div>")
    flush()
    return "".join(out)
