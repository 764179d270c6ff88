#!/bin/sh
# Installs what is missing, builds pgcordon for release and runs the benchmark: `sh tests/bench/run.sh [OPTIONS]`.
#
# In:  the options of bench.py (`--help` lists them); `--quick --cells select:prepared:8,select:extended:8` is a short run.
#      PGCORDON_BIN names a binary to measure instead of building one, PGBOUNCER_BIN another PgBouncer than the
#      system's, PGCORDON_PG_BIN another PostgreSQL. Other peers: `--peer`.
# Out: a table on stdout; with `--write`, results.md, results.svg and results.json beside this script.
set -eu
cd "$(dirname "$0")/../.."
. config/install-tools.sh

packages="postgresql-contrib python3 openssl"
[ -n "${PGBOUNCER_BIN:-}" ] || packages="$packages pgbouncer"
# shellcheck disable=SC2086 # a list of words
install_tools $packages

if [ -z "${PGCORDON_BIN:-}" ]; then
    say "building"
    cargo build --quiet --release --locked -p pgcordon-cli
    PGCORDON_BIN=${CARGO_TARGET_DIR:-$PWD/target}/release/pgcordon
fi
PG_BIN=$(postgres_bin)
export PGCORDON_BIN PG_BIN
exec python3 tests/bench/bench.py "$@"
