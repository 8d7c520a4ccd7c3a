#!/usr/bin/env bash
# Runs what the suite samples in full: 10,000 networks of each kind against their spectra, 60 kills of each kind of run,
# every shape by every kernel, the machine code, every text by Microsoft's and Chromium's compilers, by Mesa's for
# NVIDIA and by Khronos' validators, and the GPU engine on a second driver. It takes hours on two cores.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export SHARPSWEEP_FULL=1 SHARPSWEEP_NETWORKS=100 SHARPSWEEP_KILLS=60
bash tests/run.sh
cargo test --release --test machine_code
bash tests/nak.sh
bash tests/validators.sh
bash tests/compilers.sh
bash tests/swiftshader.sh
bash tests/webgpu.sh
