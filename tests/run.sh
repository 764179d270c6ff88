#!/bin/sh
# Installs what is missing and runs every test, cheapest first: `sh tests/run.sh`.
#
# One build profile (dev, with optimised dependencies) serves all levels, so that the C grammar and the TLS
# library are compiled once. Stops at the first level that fails: what follows would only repeat it.
set -eu
cd "$(dirname "$0")/.."
. config/install-tools.sh

target=${CARGO_TARGET_DIR:-$PWD/target}
# Incremental files are of no use to a run from scratch, and large.
[ -z "${CI:-}" ] || export CARGO_INCREMENTAL=0

# level TITLE COMMAND... : runs it, and says how long it took.
level() {
    title=$1
    shift
    say "--- $title"
    started=$(date +%s)
    "$@"
    say "--- $title: passed in $(($(date +%s) - started)) s"
}

# Drivers and ORMs for the client tests, in an environment of its own beside the build. Where they cannot be had, their
# tests are left out with a word; CI must have them.
python_clients() {
    environment=$target/python
    wanted=tests/clients/requirements.txt
    if ! cmp -s "$wanted" "$environment/requirements.txt"; then
        say "installing $wanted into $environment"
        if python3 -m venv "$environment" &&
            "$environment/bin/pip" install --quiet --disable-pip-version-check -r "$wanted"; then
            cp "$wanted" "$environment/requirements.txt"
        else
            say "LEFT OUT: what $wanted names cannot be installed"
            [ -z "${CI:-}" ] || return 1
        fi
    fi
    [ ! -x "$environment/bin/python3" ] || PATH=$environment/bin:$PATH
    export PATH
}

# The same for node, where there is one.
node_clients() {
    environment=$target/node
    wanted=tests/clients/package.json
    if ! has npm; then
        say "LEFT OUT: no npm for the programs over node-postgres"
    elif ! cmp -s "$wanted" "$environment/package.json"; then
        say "installing $wanted into $environment"
        mkdir -p "$environment"
        cp "$wanted" "$environment/package.json"
        if ! (cd "$environment" && npm install --silent --no-audit --no-fund); then
            rm -f "$environment/package.json"
            say "LEFT OUT: what $wanted names cannot be installed"
            [ -z "${CI:-}" ] || return 1
        fi
    fi
    NODE_PATH=$environment/node_modules
    export NODE_PATH
}

# cargo nextest where it is installed: a process per test, and a time limit for each.
has_nextest() {
    cargo nextest --version >/dev/null 2>&1
}

# Always the whole workspace with a filter, never `-p`: the set of packages decides which features the
# dependencies are built with, and another set would build them again.
unit_tests() {
    if has_nextest; then
        cargo nextest run --locked --profile ci --workspace -E 'not package(e2e)'
    else
        cargo test --locked --workspace --exclude e2e
    fi
}

documentation_tests() {
    cargo test --locked --quiet --workspace --doc
}

end_to_end_tests() {
    if has_nextest; then
        cargo nextest run --locked --profile ci --workspace -E 'package(e2e)'
    else
        cargo test --locked -p e2e
    fi
}

packages="postgresql-contrib python3 python3-venv libpostgresql-jdbc-java"
has npm || packages="$packages npm"
has javac || packages="$packages default-jdk-headless"
# shellcheck disable=SC2086 # a list of words
install_tools $packages
python_clients
node_clients

level "formatting" cargo fmt --all --check
level "edges between crates" cargo test --locked --quiet --workspace --test edges
level "lints" cargo clippy --locked --workspace --all-targets -- -D warnings
level "unit and property tests" unit_tests
level "documentation tests" documentation_tests
if cargo deny --version >/dev/null 2>&1; then
    level "licences and sources of dependencies" cargo deny check bans licenses sources
fi

level "build" cargo build --locked --workspace --all-targets
PGCORDON_BIN=$target/debug/pgcordon
export PGCORDON_BIN
level "the demo's tour" "$PGCORDON_BIN" demo --tour
# Of the random statements; with the same seed a run is the same run.
PGCORDON_SEED=${PGCORDON_SEED:-$(date +%s)}
export PGCORDON_SEED
say "PGCORDON_SEED=$PGCORDON_SEED"
level "end-to-end tests" end_to_end_tests
# The attack corpus is kept beside the repository, not in it. CI has it, and must not pass without.
if [ -n "${CI:-}" ] || [ -f "${REDTEAM:-../shared/redteam}/run_attacks.py" ]; then
    level "red team" bash tests/redteam/run.sh
    level "red team, own cases" bash tests/redteam/run.sh --attacks tests/redteam/hunt.json --no-ref
else
    say "--- red team: LEFT OUT, no attack corpus in ../shared/redteam (REDTEAM names another folder)"
fi
say "everything that ran passed"
