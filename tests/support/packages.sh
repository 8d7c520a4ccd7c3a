# Sourced by the scripts in tests/: installs packages of Debian or Ubuntu, as root or through sudo.

# install_packages PACKAGE..: or ends with a message that names them.
install_packages() {
    [ $# -gt 0 ] || return 0
    local missing="$(basename "$0"): $* must be installed first"
    local as_root=()
    if ! command -v apt-get >/dev/null; then
        echo "$missing, under the names that they have on this system" >&2
        exit 1
    fi
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "$missing, which takes root: apt-get install $*" >&2
            exit 1
        fi
        as_root=(sudo)
    fi
    echo "installing $*" >&2
    if ! { "${as_root[@]}" apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
        "${as_root[@]}" apt-get install -y -qq --no-install-recommends "$@"; } >&2; then
        echo "$missing, and apt-get could not: it takes root and a network" >&2
        exit 1
    fi
}
