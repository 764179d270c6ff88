#!/bin/sh
# Runs one fuzz target from its seeds: `sh tests/fuzz/run.sh TARGET [SECONDS]`, an hour unless told.
#
# Needs `cargo install cargo-fuzz`. The stable compiler is told to accept cargo-fuzz's flags; no sanitizer, since the
# code has no `unsafe`: what is looked for are panics, failed assertions, and inputs that take long or much memory.
# A finding is left in target/fuzz/artifacts/TARGET; it becomes a case in tests/fuzz/found/TARGET, which the ordinary tests run.
set -eu
cd "$(dirname "$0")/../.."
target=$1
seconds=${2:-3600}
export RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR="$PWD/target/fuzz"
corpus=target/fuzz/corpus/$target
artifacts=target/fuzz/artifacts/$target
mkdir -p "$artifacts" "tests/fuzz/found/$target"
python3 tests/fuzz/seeds.py "$target" "$corpus"
cp tests/fuzz/found/"$target"/* "$corpus" 2>/dev/null || true
cargo fuzz build --fuzz-dir tests/fuzz -s none "$target"
exec "target/fuzz/$(rustc -vV | sed -n 's/^host: //p')/release/$target" "$corpus" \
    -artifact_prefix="$artifacts/" -dict=tests/fuzz/"$target".dict -max_total_time="$seconds" -rss_limit_mb=2048 \
    -timeout=20 -max_len=4096
