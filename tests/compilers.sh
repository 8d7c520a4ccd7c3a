#!/usr/bin/env bash
# Asks Microsoft's compilers what they make of the kernels: some of the texts, drawn anew each time, or all with
# SHARPSWEEP_FULL=1. Nothing of theirs is part of this repository: what is not there is installed, from Debian's or
# Ubuntu's packages (as root, or through sudo) and, for Microsoft's two compilers, from the npm package of Dawn.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

packages=()
command -v wine >/dev/null || packages+=(wine wine64)
command -v x86_64-w64-mingw32-gcc >/dev/null || packages+=(gcc-mingw-w64-x86-64)
command -v npm >/dev/null || packages+=(npm)
if [ "${#packages[@]}" -gt 0 ]; then
    if ! command -v apt-get >/dev/null; then
        echo "please install Wine, MinGW's gcc for x86_64 and npm" >&2
        exit 1
    fi
    as_root=()
    if [ "$(id -u)" -ne 0 ]; then as_root=(sudo); fi
    echo "installing ${packages[*]}" >&2
    "${as_root[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${packages[@]}" >&2
fi

export SHARPSWEEP_DIRECTX=${CARGO_TARGET_DIR:-$PWD/target}/directx
mkdir -p "$SHARPSWEEP_DIRECTX"
dawn=$SHARPSWEEP_DIRECTX/node_modules/webgpu/dist/win32-x64
if [ ! -e "$dawn/dxcompiler.dll" ] || [ ! -e "$dawn/d3dcompiler_47.dll" ]; then
    npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$SHARPSWEEP_DIRECTX" webgpu@0.6.2 >&2
fi
cp "$dawn"/*.dll "$SHARPSWEEP_DIRECTX"
x86_64-w64-mingw32-gcc -O1 -Wall -Wextra -Werror -o "$SHARPSWEEP_DIRECTX/hlsl.exe" tests/compilers/hlsl.c
# Once, so that the tests do not all do it at the same time.
export WINEDEBUG=-all
WINEPREFIX=$SHARPSWEEP_DIRECTX/wine WINEDLLOVERRIDES='mscoree,mshtml=' wineboot --init >&2

cargo test --release --test compilers "$@" -- --nocapture --skip chromium
