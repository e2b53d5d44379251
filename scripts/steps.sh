# shellcheck shell=bash
# What scripts/test and scripts/test-world share: it is sourced at their beginning, in the root of the repository. At the end
# of a script it prints how long each step took.

# Each variant is built once, so that a cache of its parts only costs time and disk.
export CARGO_INCREMENTAL=0
# Tests that fail say their line anyway; debug information costs a third of the time and half of the disk.
export CARGO_PROFILE_DEV_DEBUG=none

# The tests talk to servers on this machine, which no proxy reaches.
no_proxy=${no_proxy:-${NO_PROXY:-}}
no_proxy=${no_proxy:+$no_proxy,}127.0.0.1,localhost,::1
export no_proxy NO_PROXY=$no_proxy

# All temporary files, which go at the end. Its path is short, because a socket's is at most 107 bytes, and the user that
# runs PostgreSQL for root may pass through.
scratch=$(mktemp -d /tmp/tower-refresh.XXXXXX)
chmod 711 "$scratch"
export TMPDIR=$scratch

step_names=() step_seconds=() running=

step() {
    local started=$SECONDS
    printf '\n==> %s\n' "$*"
    running=$*
    "$@"
    running=
    step_names+=("$*")
    step_seconds+=("$((SECONDS - started))")
}

finish() {
    local status=$? index
    cd /
    # Servers of tests that failed may be writing yet.
    rm -rf "$scratch" 2>/dev/null || { sleep 2 && rm -rf "$scratch"; } || true
    printf '\n'
    for index in "${!step_names[@]}"; do
        printf '%6d s  %s\n' "${step_seconds[index]}" "${step_names[index]}"
    done
    printf '%6d s  in all\n' "$SECONDS"
    if [[ $status -eq 0 ]]; then
        printf '\nAll passed.\n'
    elif [[ -n $running ]]; then
        printf '\nFailed: %s\n' "$running"
    fi
}
trap finish EXIT

# Installs Debian packages. Where that cannot be done, it says how to do it by hand, and gives up.
install_packages() {
    [[ $# -ne 0 ]] || return 0
    local as_root=()
    [[ $(id -u) -eq 0 ]] || as_root=(sudo)
    local update=("${as_root[@]}" apt-get update)
    local install=("${as_root[@]}" apt-get install --yes --no-install-recommends "$@")
    if command -v apt-get >/dev/null && command -v "${as_root[0]:-true}" >/dev/null; then
        printf '\n==> %s\n' "${install[*]}"
        # Where the lists cannot be had anew, the old ones may do.
        "${update[@]}" || true
        "${install[@]}" && return
    fi
    {
        printf '\nThese are needed, and could not be installed: %s\n' "$*"
        printf 'On Debian or Ubuntu, as root:\n\n'
        printf '    apt-get update && apt-get install --yes --no-install-recommends %s\n\n' "$*"
    } >&2
    exit 1
}

# Rust is not installed by these scripts.
if ! cargo clippy --version >/dev/null 2>&1 || ! cargo fmt --version >/dev/null 2>&1; then
    echo "Rust is needed, with clippy and rustfmt: https://rustup.rs, and its default profile" >&2
    exit 1
fi
