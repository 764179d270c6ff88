#!/bin/sh
# Installs what is missing, builds pgcordon and runs its demo: `sh config/demo.sh [--tour] [--port N]`.
set -eu
cd "$(dirname "$0")/.."
. config/install-tools.sh

install_tools
say "building (the first time takes some minutes: PostgreSQL's grammar is compiled in)"
cargo build --quiet --release --locked -p pgcordon-cli
exec "${CARGO_TARGET_DIR:-target}/release/pgcordon" demo "$@"
