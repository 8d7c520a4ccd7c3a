#!/usr/bin/env bash
# Runs the test suite; tests/full.sh runs in full what it samples. The GPU tests need a Vulkan, Metal or DX12 driver and the report's
# test a browser: where none is there, Debian's and Ubuntu's software Vulkan driver and Chromium are installed first (as root, or
# through sudo).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Whether some Vulkan loader and driver are installed. Systems other than Linux bring their own graphics interface.
has_driver() {
    [ "$(uname -s)" != Linux ] && return 0
    ldconfig -p 2>/dev/null | grep 'libvulkan\.so\.1' >/dev/null || return 1
    compgen -G '/usr/share/vulkan/icd.d/*.json' >/dev/null || compgen -G '/etc/vulkan/icd.d/*.json' >/dev/null
}

has_browser() {
    command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null
}

packages=()
if [ "${SHARPSWEEP_SKIP_GPU:-0}" != 1 ] && ! has_driver; then packages+=(mesa-vulkan-drivers libvulkan1); fi
if [ "${SHARPSWEEP_SKIP_BROWSER:-0}" != 1 ] && ! has_browser; then packages+=(chromium); fi
if [ "${#packages[@]}" -gt 0 ]; then
    if ! command -v apt-get >/dev/null; then
        echo "please install: a Vulkan driver for the GPU tests and Chromium for the report's test" >&2
        echo "(or skip them with SHARPSWEEP_SKIP_GPU=1 and SHARPSWEEP_SKIP_BROWSER=1)" >&2
        exit 1
    fi
    as_root=()
    if [ "$(id -u)" -ne 0 ]; then as_root=(sudo); fi
    echo "installing ${packages[*]}" >&2
    "${as_root[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${packages[@]}" >&2
fi

# Outside a user session Mesa's device-selection layer would complain in every GPU test that it has no display.
if [ -z "${XDG_RUNTIME_DIR:-}" ]; then export NODEVICE_SELECT=1; fi

# What a test could not check here it says in a line that begins with SKIPPED; they are counted at the end.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
cargo test --release "$@" 2> >(tee "$log" >&2) || status=$?
wait
if skipped=$(grep '^SKIPPED' "$log" | sort -u); then
    printf '%s\n%s\n' "$(wc -l <<<"$skipped") checks were skipped on this machine:" "$skipped" >&2
fi
exit "$status"
