#!/usr/bin/env bash
# Asks Khronos' validators what they make of the kernels as wgpu writes them: spirv-val for Vulkan, and glslangValidator
# as one more reader of the same code. What Metal gets is written and no more: no compiler for it runs on Linux. Some of
# the texts, drawn anew each time, or all with SHARPSWEEP_FULL=1.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tests/support/packages.sh

packages=()
command -v spirv-val >/dev/null || packages+=(spirv-tools)
command -v glslangValidator >/dev/null || packages+=(glslang-tools)
install_packages "${packages[@]}"
cargo test --release --test compilers "$@" validators -- --nocapture
