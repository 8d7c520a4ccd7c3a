#!/usr/bin/env bash
# Asks Chromium's WebGPU, a second implementation beside wgpu, what it makes of the kernels: it compiles some of the
# texts, drawn anew each time, or all with SHARPSWEEP_FULL=1, and runs the passes on its own SwiftShader, on which the
# engine then runs too. What is not there is installed from Debian's or Ubuntu's packages (as root, or through sudo).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

packages=()
if ! command -v chromium >/dev/null || [ ! -e /usr/lib/chromium/vk_swiftshader_icd.json ]; then packages+=(chromium); fi
ldconfig -p | grep 'libvulkan\.so\.1' >/dev/null || packages+=(libvulkan1)
command -v node >/dev/null || packages+=(nodejs)
if [ "${#packages[@]}" -gt 0 ]; then
    if ! command -v apt-get >/dev/null; then
        echo "please install Chromium, a Vulkan loader and node" >&2
        exit 1
    fi
    as_root=()
    if [ "$(id -u)" -ne 0 ]; then as_root=(sudo); fi
    echo "installing ${packages[*]}" >&2
    "${as_root[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${packages[@]}" >&2
fi

# The engine's own driver is the same.
export VK_DRIVER_FILES=/usr/lib/chromium/vk_swiftshader_icd.json
export VK_ICD_FILENAMES=$VK_DRIVER_FILES
cargo test --release --test compilers "$@" -- --nocapture --test-threads=1 chromium
