#!/usr/bin/env bash
# Runs the engine on SwiftShader, the software Vulkan driver that comes with Chromium: a second driver beside Mesa's
# lavapipe. Some problems are drawn anew each time; with SHARPSWEEP_FULL=1 they are more, and the tests of the GPU
# engine run on it as well. What is not there is installed from Debian's or Ubuntu's packages (as root, or through
# sudo).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

lavapipe=$(compgen -G '/usr/share/vulkan/icd.d/lvp_icd*.json' | head -n 1 || true)
folder=/usr/lib/chromium
packages=()
[ -n "$lavapipe" ] || packages+=(mesa-vulkan-drivers libvulkan1)
[ -e "$folder/libvk_swiftshader.so" ] || packages+=(chromium)
if [ "${#packages[@]}" -gt 0 ]; then
    if ! command -v apt-get >/dev/null; then
        echo "please install Mesa's Vulkan drivers and, for SwiftShader, Chromium" >&2
        exit 1
    fi
    as_root=()
    if [ "$(id -u)" -ne 0 ]; then as_root=(sudo); fi
    echo "installing ${packages[*]}" >&2
    "${as_root[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${packages[@]}" >&2
    lavapipe=$(compgen -G '/usr/share/vulkan/icd.d/lvp_icd*.json' | head -n 1)
fi
swiftshader=$folder/vk_swiftshader_icd.json
ls "$lavapipe" "$swiftshader" "$folder/libvk_swiftshader.so" >&2

# Outside a user session Mesa's device-selection layer would complain in every test that it has no display.
export NODEVICE_SELECT=1
VK_DRIVER_FILES=$lavapipe:$swiftshader cargo test --release --test second_driver "$@" -- --nocapture --test-threads=1
if [ "${SHARPSWEEP_FULL:-0}" = 1 ]; then
    VK_DRIVER_FILES=$swiftshader VK_ICD_FILENAMES=$swiftshader SHARPSWEEP_FULL=0 \
        cargo test --release --lib gpu
    VK_DRIVER_FILES=$swiftshader VK_ICD_FILENAMES=$swiftshader SHARPSWEEP_FULL=0 \
        cargo test --release --test gpu_engine --test gpu_rounding --test spectrum --test workgroup_memory
fi
