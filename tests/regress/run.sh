#!/bin/sh
# Asks pgcordon about every statement of PostgreSQL 15's own regression suite: `sh tests/regress/run.sh [FILE…]`.
#
# The suite comes from Debian's source package and is kept under target/. It needs a `deb-src` line for the
# distribution's archive; where there is none, one is made of the configured `deb` lines in a folder of its own, and
# the system's stay as they are. PGCORDON_REGRESS names a folder with the suite instead (src/test/regress).
set -eu
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-$PWD/target}
folder=${PGCORDON_REGRESS:-$target/regress/suite}

# apt with the sources' index and cache of its own.
apt_source() {
    apt-get -q -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$work/sources" \
        -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root "$@"
}

fetch() {
    work=$target/regress/apt
    mkdir -p "$work/sources" "$work/lists/partial" "$work/cache/archives/partial" "$work/package"
    for list in /etc/apt/sources.list.d/*.sources; do
        [ ! -f "$list" ] || sed 's/^Types:.*/Types: deb-src/' "$list" >"$work/sources/$(basename "$list")"
    done
    for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ ! -f "$list" ] || sed -n 's/^deb /deb-src /p' "$list" >"$work/sources/$(basename "$list" .list).list"
    done
    apt_source update >"$work/log" 2>&1
    # The newest first; an archive may have moved on from what its index says.
    versions=$(apt-cache -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" \
        -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$work/sources" \
        showsrc postgresql-15 | sed -n 's/^Version: //p' | sort -rV)
    for version in $versions; do
        if (cd "$work/package" && apt_source source --download-only "postgresql-15=$version") >>"$work/log" 2>&1; then
            break
        fi
    done
    mkdir -p "$folder"
    tar -xf "$work"/package/postgresql-15_*.orig.tar.* --strip-components=4 -C "$folder" --wildcards \
        '*/src/test/regress/*'
    # COPY reads and writes there as the server's own user.
    mkdir -p "$folder/results"
    chmod -R a+rX "$folder"
    chmod a+rwx "$folder/results"
}

[ -f "$folder/parallel_schedule" ] || fetch
cargo build --locked --quiet --workspace --all-targets
exec "$target/debug/examples/regress" "$folder" "$@"
