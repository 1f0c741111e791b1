# What ./run, ./test and the scripts beside this file share: installing what is missing, and building. It is
# sourced from the top of the repository by a bash that runs with `set -euo pipefail`.
# shellcheck shell=bash disable=SC2034

# Debian packages, by purpose. Each list is checked with one dpkg-query, so a second call costs nothing. One
# configuration has the program and the tests in it, so that ./run and ./test share a build; it needs doctest's headers.
build_packages=(
    ca-certificates cmake curl doctest-dev g++-12 libboost-json1.81-dev libboost1.81-dev libc-ares-dev libcli11-dev
    libfuse3-dev libmimalloc-dev libspdlog-dev libssl-dev liburing-dev libxxhash-dev libyaml-cpp-dev ninja-build
)
test_packages=(openssl unbound valgrind)
clang_packages=(clang-16 libbenchmark-dev libclang-rt-16-dev)

# Prints those of the given packages that are not installed.
missing_packages() {
    local installed
    installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || true)
    local package
    for package in "$@"; do
        grep -qx "installed $package" <<<"$installed" || echo "$package"
    done
}

# Installs those of the given packages that are missing. Without the right to do so it prints the line that
# somebody else can run, and ends the script.
need_packages() {
    local missing
    read -r -d '' -a missing <<<"$(missing_packages "$@")" || true
    [ ${#missing[@]} -eq 0 ] && return
    local apt=(apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 "${missing[@]}")
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        as_root=(sudo)
        if ! command -v sudo >/dev/null || ! sudo true; then
            echo "These packages are missing, and installing them needs root. Please run:" >&2
            echo "    apt-get update && ${apt[*]}" >&2
            exit 1
        fi
    fi
    echo "Installing ${missing[*]}"
    local log=build/packages.log
    mkdir -p build
    # The package lists of a fresh machine may be empty or old. If they cannot be loaded, the install says so.
    "${as_root[@]}" apt-get update >"$log" 2>&1 || true
    if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "${apt[@]}" >>"$log" 2>&1; then
        cat "$log" >&2
        echo "The packages could not be installed. The line was:" >&2
        echo "    apt-get update && ${apt[*]}" >&2
        exit 1
    fi
}

# Builds and installations hold a lock, because two terminals may start the same one.

# Configures a preset once and builds the given targets of it (all, without any). Quiet unless it fails.
build_preset() {
    local preset=$1
    shift
    local log="build/$preset.log" targets=() lock status=0
    [ $# -gt 0 ] && targets=(--target "$@")
    mkdir -p build
    exec {lock}>"build/$preset.lock"
    flock "$lock"
    {
        { [ -f "build/$preset/build.ninja" ] || cmake --preset "$preset"; } &&
            cmake --build --preset "$preset" "${targets[@]}"
    } >"$log" 2>&1 || status=$?
    exec {lock}>&-
    [ "$status" -eq 0 ] && return
    grep -vE '^\[[0-9]+/[0-9]+\] (Building|Linking)' "$log" >&2 || true
    echo "The build of the preset $preset failed; all of its output is in $log." >&2
    return 1
}

# Installs the packages that a folder's lock file names. npm is only needed to fetch them; the old node that comes with
# Debian's runs nothing else.
need_node_packages() {
    local folder=$1 what=$2 log=build/${1//\//-}.log lock status=0
    node_packages_are_installed "$folder" && return
    command -v npm >/dev/null || need_packages npm
    echo "Installing the packages of $what"
    mkdir -p build
    exec {lock}>"build/${folder//\//-}.lock"
    flock "$lock"
    node_packages_are_installed "$folder" ||
        (cd "$folder" && npm ci --ignore-scripts --include=optional --no-fund --no-audit) >"$log" 2>&1 || status=$?
    exec {lock}>&-
    if [ "$status" -ne 0 ]; then
        cat "$log" >&2
        echo "npm could not install the packages of $what." >&2
        return 1
    fi
}

# Whether what is installed is what the lock file names.
node_packages_are_installed() { sha256sum --check --status "$1/node_modules/.installed" 2>/dev/null; }

remember_node_packages() { sha256sum "$1/package-lock.json" >"$1/node_modules/.installed"; }

# The sample stack, its own node among its packages.
need_sample() {
    need_node_packages sample 'the sample stack' || return 1
    sample_node >/dev/null || return 1
    remember_node_packages sample
}

# The public suite of HTTP caches; the sample's node runs it.
need_conformance_suite() {
    need_node_packages tests/conformance 'the conformance suite' || return 1
    remember_node_packages tests/conformance
}

# The language server of editors, which the end to end tests start by the sample's node.
need_language_server() {
    need_node_packages tests/e2e 'the end to end tests' || return 1
    remember_node_packages tests/e2e
}

# Prints the path of the node that the sample stack pins.
sample_node() {
    local node
    for node in "$PWD"/sample/node_modules/node-linux-*/bin/node; do
        if [ -x "$node" ] && "$node" --version >/dev/null 2>&1; then
            echo "$node"
            return
        fi
    done
    echo "There is no node for a machine of the kind $(uname -m) among the sample's packages." >&2
    return 1
}

# Whether somebody listens on that port of loopback.
port_is_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Prints the first free port from the given one upwards.
free_port() {
    local port=$1
    while port_is_taken "$port"; do port=$((port + 1)); done
    echo "$port"
}
