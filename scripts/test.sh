#!/usr/bin/env bash
# Runs all tests with all their set-up: scripts/test.sh [arguments of `cargo test`; default: --workspace]
#
# Needs cargo, a C compiler, Go 1.26 and CPythons from 3.8 to 3.13; Python packages are installed below the user's cache folder. As root on
# Debian, missing Debian packages are installed too. Tests whose interpreter or oracle is missing say so on stderr;
# with BRIMLINE_TEST_STRICT=1 they fail instead.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/find-pythons.sh
. scripts/find-pythons.sh

cache=${BRIMLINE_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/brimline-tests}
mkdir -p "$cache"

say() { printf 'test.sh: %s\n' "$*" >&2; }

# Debian's python is the static layout; its packages can only be installed by root.
install_debian_packages() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 0
    local missing=() package
    for package in gcc g++ libc6-dev git python3.11 python3.11-venv libjemalloc2 libmimalloc2.0 libtcmalloc-minimal4 chromium; do
        dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing Debian packages: ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -q && apt-get install -q -y --no-install-recommends "${missing[@]}"; } </dev/null >"$cache/apt.log" 2>&1 ||
        say "some could not be installed; see $cache/apt.log"
}

# A virtual environment with the packages of a requirements file, made once for each content of that file.
make_venv() {
    local python=$1 name=$2 requirements=$3 key folder
    key=$({ "$python" -VV; echo "$python"; cat "$requirements"; } | sha256sum | cut -c1-12)
    folder=$cache/$name-$key
    if [ ! -e "$folder/.complete" ]; then
        say "making the virtual environment $folder"
        rm -rf "$folder"
        "$python" -m venv "$folder"
        "$folder/bin/pip" install -q --disable-pip-version-check --only-binary :all: -r "$requirements" >&2
        touch "$folder/.complete"
    fi
    printf '%s' "$folder"
}

for tool in cargo cc git; do
    command -v "$tool" >/dev/null || [ "$tool" = cc ] || { say "needs $tool"; exit 2; }
done
install_debian_packages
find_pythons

for missing in "${MISSING_PYTHONS[@]}"; do
    say "found no $missing"
    [ "${BRIMLINE_TEST_STRICT:-0}" = 0 ] || exit 1
done
pythons='' venvs=''
for python in "${PYTHONS[@]}"; do
    venv=$(make_venv "$python" "${python##*/}" crates/brimline/tests/requirements.txt)
    say "$python, $venv"
    pythons=${pythons:+$pythons:}$python
    venvs=${venvs:+$venvs:}$venv
done
# Servers, greenlets and packages with allocators of their own: on the first interpreter and on the last one.
services=''
for python in "${PYTHONS[@]:0:1}" "${PYTHONS[@]:${#PYTHONS[@]}-1:1}"; do
    services=${services:+$services:}$(make_venv "$python" "services-${python##*/}" crates/brimline/tests/requirements-services.txt)
done
[ -z "$services" ] || export BRIMLINE_TEST_SERVICE_VENVS=$services
# What people use today, in its newest and in old releases: on the first interpreter.
if [ ${#PYTHONS[@]} -gt 0 ]; then
    python=${PYTHONS[0]}
    BRIMLINE_TEST_TOOLS_VENV=$(make_venv "$python" "tools-${python##*/}" crates/brimline/tests/requirements-tools.txt)
    BRIMLINE_TEST_OLD_MEMRAYS=''
    for release in 1.10 1.18; do
        venv=$(make_venv "$python" "memray-$release" "crates/brimline/tests/requirements-memray-$release.txt")
        BRIMLINE_TEST_OLD_MEMRAYS=${BRIMLINE_TEST_OLD_MEMRAYS:+$BRIMLINE_TEST_OLD_MEMRAYS:}$venv
    done
    export BRIMLINE_TEST_TOOLS_VENV BRIMLINE_TEST_OLD_MEMRAYS
fi
# A part of pytest's own suite is one of the real programs; only the source package has it.
if [ -n "$pythons" ]; then
    release=$(sed -n 's/^pytest==\([0-9.]*\).*/\1/p' crates/brimline/tests/requirements.txt | head -1)
    export BRIMLINE_TEST_PYTEST_SOURCES=$cache/pytest-$release
    if [ ! -e "$BRIMLINE_TEST_PYTEST_SOURCES/testing/code" ]; then
        say "fetching pytest's sources"
        rm -rf "$cache/sources"
        "${venvs%%:*}/bin/pip" download -q --disable-pip-version-check --no-deps --no-binary pytest -d "$cache/sources" "pytest==$release" >&2
        tar -xzf "$cache/sources/pytest-$release.tar.gz" -C "$cache"
    fi
fi
[ -n "$pythons" ] && export BRIMLINE_TEST_PYTHONS=$pythons BRIMLINE_TEST_VENVS=$venvs
[ -n "$OLD_PYTHON" ] && export BRIMLINE_TEST_OLD_PYTHON=$OLD_PYTHON

# DevTools' heap model and the Node versions it is compared on, built from the registry once for each content.
make_oracle() {
    local source=$1 key folder
    key=$(cat "$source"/build.mjs "$source"/oracle.ts "$source"/package.json | sha256sum | cut -c1-12)
    folder=$cache/devtools-oracle-$key
    if [ ! -e "$folder/.complete" ]; then
        say "building the heap oracle in $folder"
        rm -rf "$folder"
        mkdir -p "$folder/nodes"
        cp "$source"/build.mjs "$source"/oracle.ts "$source"/package.json "$folder/"
        (cd "$folder" && npm install --silent --no-audit --no-fund && npm run --silent build) >&2
        (cd "$folder/nodes" && echo '{"private":true}' >package.json && npm install --silent --no-audit --no-fund node@22) >&2
        touch "$folder/.complete"
    fi
    printf '%s' "$folder"
}

if [ -n "${BRIMLINE_DEVTOOLS_ORACLE:-}" ] && command -v npm >/dev/null; then
    BRIMLINE_DEVTOOLS_ORACLE=$(make_oracle "$BRIMLINE_DEVTOOLS_ORACLE")
    export BRIMLINE_DEVTOOLS_ORACLE
    export BRIMLINE_NODES=$BRIMLINE_DEVTOOLS_ORACLE/node_modules/node/bin/node:$BRIMLINE_DEVTOOLS_ORACLE/nodes/node_modules/node/bin/node
fi

# Programs on packages from npm with leaks planted in them.
apps=programs/node
if command -v npm >/dev/null; then
    folder=$cache/node-packages-$(cat $apps/package.json $apps/package-lock.json | sha256sum | cut -c1-12)
    if [ ! -e "$folder/.complete" ]; then
        say "installing the packages of $apps"
        rm -rf "$folder"
        mkdir -p "$folder"
        cp $apps/package.json $apps/package-lock.json "$folder/"
        (cd "$folder" && npm ci --silent --no-audit --no-fund --ignore-scripts) >&2
        # Node's own headers where they lie beside it; without them the package fetches some.
        prefix=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
        [ ! -e "$prefix/include/node/node.h" ] || export npm_config_nodedir=$prefix
        (cd "$folder" && npm rebuild heapdump) >"$folder/heapdump.log" 2>&1 || say "heapdump was not built; see $folder/heapdump.log"
        touch "$folder/.complete"
    fi
    export BRIMLINE_TEST_NODE_PACKAGES=$folder
fi

# Two wheels of this checkout, before the tests: building replaces the command that they run.
if [ -n "${BRIMLINE_TEST_TOOLS_VENV:-}" ] && { [ $# = 0 ] || [ "${BRIMLINE_BUILD_WHEELS:-0}" = 1 ]; }; then
    BRIMLINE_TEST_WHEELS=''
    for number in 1 2; do
        say "building a wheel"
        rm -rf "$cache/wheel-$number"
        SOURCE_DATE_EPOCH=1700000000 "$BRIMLINE_TEST_TOOLS_VENV/bin/maturin" build \
            --profile "${BRIMLINE_WHEEL_PROFILE:-dev}" -o "$cache/wheel-$number" >"$cache/wheel.log" 2>&1 ||
            { cat "$cache/wheel.log" >&2; exit 1; }
        BRIMLINE_TEST_WHEELS=${BRIMLINE_TEST_WHEELS:+$BRIMLINE_TEST_WHEELS:}$(echo "$cache/wheel-$number"/*.whl)
    done
    export BRIMLINE_TEST_WHEELS
fi

# Go programs under test, and the package that they import.
[ ! -x /usr/local/go/bin/go ] || PATH=$PATH:/usr/local/go/bin
if command -v go >/dev/null; then
    export PATH
    (cd programs/go && go mod download) >&2
    # Since Go 1.26 the tool is compiled when it is first used.
    go tool pprof -help >/dev/null 2>&1 || true
    (cd go/brimline && go vet ./... && go test ./...) >&2
else
    say 'found no go'
    [ "${BRIMLINE_TEST_STRICT:-0}" = 0 ] || exit 1
fi

# Load generators: k6 is built once, which takes minutes; it is run, not linked (AGPL).
make_locust() {
    local folder=$cache/locust-2.47.0
    if [ ! -x "$folder/bin/locust" ]; then
        say "installing locust"
        rm -rf "$folder"
        "${PYTHONS[0]}" -m venv "$folder"
        "$folder/bin/pip" install -q --disable-pip-version-check locust==2.47.0 >&2
    fi
    printf '%s' "$folder/bin/locust"
}
make_k6() {
    local folder=$cache/k6-1.8.1
    if [ ! -x "$folder/k6" ]; then
        say "building k6"
        GOBIN=$folder go install go.k6.io/k6@v1.8.1 >&2
    fi
    printf '%s' "$folder/k6"
}
[ -z "$pythons" ] || { BRIMLINE_TEST_LOCUST=$(make_locust) && export BRIMLINE_TEST_LOCUST; }
! command -v go >/dev/null || { BRIMLINE_TEST_K6=$(make_k6) && export BRIMLINE_TEST_K6; }

[ $# -gt 0 ] || set -- --workspace
exec cargo test "$@" </dev/null
