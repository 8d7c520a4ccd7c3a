#!/usr/bin/env bash
# Asks Mesa's compiler for NVIDIA, NAK, what it makes of the kernels that are chosen there: some of the texts, drawn
# anew each time, or all with SHARPSWEEP_FULL=1. No card is needed: a shim stands for the kernel's part of the driver.
#
# Many systems have an older Mesa. Debian's of the suite below is unpacked into a folder under target/, with all that it
# needs down to the C library, and nothing is installed: it takes apt-get, dpkg and a Debian or Ubuntu mirror, not root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

suite=trixie
die() { echo "nak.sh: $*" >&2; exit 1; }

[ "$(uname -s) $(uname -m)" = "Linux x86_64" ] || die "Mesa's shim for NVIDIA is packaged for x86_64 Linux only"
for program in apt-get dpkg; do
    command -v "$program" >/dev/null || die "there is no $program: please run this on Debian or Ubuntu"
done
folder=${CARGO_TARGET_DIR:-$PWD/target}/nak
libraries=$folder/usr/lib/x86_64-linux-gnu
if [ ! -e "$folder/complete" ]; then
    rm -rf "$folder"
    mkdir -p "$folder/apt/lists/partial" "$folder/apt/archives/partial"
    # An apt of its own that believes that nothing is installed, so that it fetches all that Mesa needs.
    : >"$folder/apt/status"
    own=(-o "Dir::State=$folder/apt" -o "Dir::State::status=$folder/apt/status" -o "Dir::Cache=$folder/apt"
        -o APT::Update::Error-Mode=any)
    if [ "$(id -u)" -eq 0 ]; then own+=(-o APT::Sandbox::User=root); fi
    fetched() {
        apt-get "${own[@]}" update -qq >&2 &&
            apt-get "${own[@]}" install -qq -y --download-only --no-install-recommends \
                libvulkan1 mesa-vulkan-drivers mesa-drm-shim >&2
    }
    echo "fetching Mesa into $folder" >&2
    if (. /etc/os-release && [ "$ID" = debian ]); then
        # The mirror that this system's own release comes from: only Debian's is signed by Debian's keys.
        release=$(. /etc/os-release && echo "$VERSION_CODENAME")
        own+=(-o "Dir::Etc::SourceList=$folder/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null)
        tried=$(apt-get update --print-uris | sed -n "s#^'\(.*\)/dists/$release/InRelease'.*#\1#p")
        [ -n "$tried" ] || die "no source of packages for $release is configured"
        signed=/usr/share/keyrings/debian-archive-keyring.gpg
        for mirror in $tried; do
            echo "deb [signed-by=$signed] $mirror $suite main" >"$folder/apt/sources.list"
            if fetched; then break; fi
        done
    else
        fetched || true
    fi
    compgen -G "$folder/apt/archives/mesa-drm-shim*.deb" >/dev/null ||
        die "Mesa's packages could not be fetched: is there a network, and has the mirror a Mesa of 2025 or later?"
    for package in "$folder"/apt/archives/*.deb; do dpkg -x "$package" "$folder"; done
    [ -e "$libraries/libvulkan_nouveau.so" ] || die "the Mesa of this system's suite has no driver for NVIDIA"
    rm -r "$folder/apt"
    touch "$folder/complete"
fi

# Turing; 172 is Ampere.
export NOUVEAU_CHIPSET=${NOUVEAU_CHIPSET:-164}
export NVK_I_WANT_A_BROKEN_VULKAN_DRIVER=1 MESA_SHADER_CACHE_DISABLE=true
export VK_DRIVER_FILES=$folder/usr/share/vulkan/icd.d/nouveau_icd.json
loader=$libraries/ld-linux-x86-64.so.2
runner="['$loader', '--library-path', '$libraries', '--preload', '$libraries/libnouveau_noop_drm_shim.so']"
cargo test --release --config "target.'cfg(target_os = \"linux\")'.runner = $runner" --test machine_code nvidia "$@" \
    -- --ignored --nocapture
