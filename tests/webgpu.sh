#!/usr/bin/env bash
# Asks Chromium's WebGPU, a second implementation beside wgpu, what it makes of the kernels: it compiles some of the
# texts, drawn anew each time, or all with SHARPSWEEP_FULL=1, and runs the passes on its own SwiftShader, on which the
# engine then runs too. What is not there is installed from Debian's or Ubuntu's packages (as root, or through sudo).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tests/support/packages.sh

packages=()
if ! command -v chromium >/dev/null || [ ! -e /usr/lib/chromium/vk_swiftshader_icd.json ]; then packages+=(chromium); fi
ldconfig -p | grep 'libvulkan\.so\.1' >/dev/null || packages+=(libvulkan1)
command -v node >/dev/null || packages+=(nodejs)
install_packages "${packages[@]}"

# The engine's own driver is the same.
export VK_DRIVER_FILES=/usr/lib/chromium/vk_swiftshader_icd.json
export VK_ICD_FILENAMES=$VK_DRIVER_FILES
cargo test --release --test compilers "$@" -- --nocapture --test-threads=1 chromium
