# shellcheck shell=bash
# Shared by scripts/test and scripts/test-world, which source it at their beginning, in the root of the repository. At the end of
# a script it prints the duration of each step.

# Each variant is built once, so incremental compilation only costs time and disk space.
export CARGO_INCREMENTAL=0
# Failed tests print their line without it; debug information costs a third of the time and half of the disk space.
export CARGO_PROFILE_DEV_DEBUG=none

# The tests connect to servers on this machine, which a proxy cannot reach.
no_proxy=${no_proxy:-${NO_PROXY:-}}
no_proxy=${no_proxy:+$no_proxy,}127.0.0.1,localhost,::1
export no_proxy NO_PROXY=$no_proxy

# The folder of all temporary files, removed at the end. Its path is short, because the path of a socket is limited to 107 bytes.
# Its mode gives access to the user that runs PostgreSQL for root.
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
    # Servers of failed tests may still be writing.
    rm -rf "$scratch" 2>/dev/null || { sleep 2 && rm -rf "$scratch"; } || true
    printf '\n'
    for index in "${!step_names[@]}"; do
        printf '%6d s  %s\n' "${step_seconds[index]}" "${step_names[index]}"
    done
    printf '%6d s  in all\n' "$SECONDS"
    # A script that is killed gets here with status 0.
    if [[ -n $running ]]; then
        printf '\nFailed: %s\n' "$running"
    elif [[ $status -eq 0 ]]; then
        printf '\nAll passed.\n'
    fi
}
trap finish EXIT

# Installs Debian packages. If that fails, it prints the manual steps and exits.
install_packages() {
    [[ $# -ne 0 ]] || return 0
    local as_root=()
    [[ $(id -u) -eq 0 ]] || as_root=(sudo)
    local update=("${as_root[@]}" apt-get update)
    local install=("${as_root[@]}" apt-get install --yes --no-install-recommends "$@")
    if command -v apt-get >/dev/null && command -v "${as_root[0]:-true}" >/dev/null; then
        printf '\n==> %s\n' "${install[*]}"
        # If the lists cannot be updated, the existing ones may be sufficient.
        "${update[@]}" || true
        "${install[@]}" && return
    fi
    {
        printf '\nThese packages are required and could not be installed: %s\n' "$*"
        printf 'On Debian or Ubuntu, as root:\n\n'
        printf '    apt-get update && apt-get install --yes --no-install-recommends %s\n\n' "$*"
    } >&2
    exit 1
}

# These scripts do not install Rust.
if ! cargo clippy --version >/dev/null 2>&1 || ! cargo fmt --version >/dev/null 2>&1; then
    echo "Rust with clippy and rustfmt is required: install the default profile from https://rustup.rs" >&2
    exit 1
fi
