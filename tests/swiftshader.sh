#!/usr/bin/env bash
# Runs the engine on SwiftShader, the software Vulkan driver that comes with Chromium: a second driver beside Mesa's
# lavapipe. Some problems are drawn anew each time; with SHARPSWEEP_FULL=1 they are more, and the tests of the GPU
# engine run on it as well. What is not there is installed from Debian's or Ubuntu's packages (as root, or through
# sudo).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tests/support/packages.sh

lavapipe=$(compgen -G '/usr/share/vulkan/icd.d/lvp_icd*.json' | head -n 1 || true)
folder=/usr/lib/chromium
packages=()
[ -n "$lavapipe" ] || packages+=(mesa-vulkan-drivers libvulkan1)
[ -e "$folder/libvk_swiftshader.so" ] || packages+=(chromium)
install_packages "${packages[@]}"
lavapipe=$(compgen -G '/usr/share/vulkan/icd.d/lvp_icd*.json' | head -n 1)
swiftshader=$folder/vk_swiftshader_icd.json
ls "$lavapipe" "$swiftshader" "$folder/libvk_swiftshader.so" >&2

# Outside a user session Mesa's device-selection layer would complain in every test that it has no display.
export NODEVICE_SELECT=1
VK_DRIVER_FILES=$lavapipe:$swiftshader cargo test --release --test second_driver "$@" -- --nocapture --test-threads=1
if [ "${SHARPSWEEP_FULL:-0}" = 1 ]; then
    VK_DRIVER_FILES=$swiftshader VK_ICD_FILENAMES=$swiftshader SHARPSWEEP_FULL=0 \
        cargo test --release --lib gpu
    VK_DRIVER_FILES=$swiftshader VK_ICD_FILENAMES=$swiftshader SHARPSWEEP_FULL=0 \
        cargo test --release --test gpu_engine --test gpu_layers --test gpu_rounding --test spectrum \
        --test workgroup_memory
fi
