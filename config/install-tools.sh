# Installs what is missing to build and run pgcordon; read by config/demo.sh and tests/run.sh with `.`.
#
# Only apt-get is driven; elsewhere it says what to install and goes on, since the tools may be there under
# another name. Nothing is installed twice, nothing is removed.

say() {
    printf '%s\n' "pgcordon: $*" >&2
}

# True when the first argument is a program that can be found.
has() {
    command -v "$1" >/dev/null 2>&1
}

# Newest PostgreSQL server's bin folder, or nothing.
postgres_bin() {
    if [ -n "${PGCORDON_PG_BIN:-}" ] && [ -x "$PGCORDON_PG_BIN/initdb" ]; then
        printf '%s\n' "$PGCORDON_PG_BIN"
    elif has initdb && has postgres; then
        dirname "$(command -v initdb)"
    else
        for folder in /usr/lib/postgresql/*/bin /opt/homebrew/opt/postgresql*/bin /usr/local/opt/postgresql*/bin; do
            [ -x "$folder/initdb" ] && [ -x "$folder/postgres" ] && printf '%s\n' "$folder"
        done | sort -t/ -k5,5V | tail -n 1
    fi
}

# bindgen loads libclang at build time; clang-sys looks in the same places.
has_libclang() {
    [ -n "${LIBCLANG_PATH:-}" ] && return 0
    for library in /usr/lib/llvm-*/lib/libclang*.so* /usr/lib/*/libclang*.so* /usr/lib/libclang*.so* \
        /usr/lib64/libclang*.so* /opt/homebrew/opt/llvm/lib/libclang.dylib \
        /Library/Developer/CommandLineTools/usr/lib/libclang.dylib \
        /Applications/Xcode.app/Contents/Developer/Toolchains/XcodeDefault.xctoolchain/usr/lib/libclang.dylib; do
        [ -e "$library" ] && return 0
    done
    return 1
}

# libclang brings no C headers of its own: without clang's, bindgen does not find stddef.h.
has_clang_headers() {
    for header in /usr/lib/llvm-*/lib/clang/*/include/stddef.h /usr/lib/clang/*/include/stddef.h \
        /usr/lib64/clang/*/include/stddef.h /opt/homebrew/opt/llvm/lib/clang/*/include/stddef.h \
        /Library/Developer/CommandLineTools/usr/lib/clang/*/include/stddef.h \
        /Applications/Xcode.app/Contents/Developer/Toolchains/XcodeDefault.xctoolchain/usr/lib/clang/*/include/stddef.h; do
        [ -e "$header" ] && return 0
    done
    return 1
}

# apt_install PACKAGE... : as root, or through sudo.
apt_install() {
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        if ! has sudo; then
            say "not root and no sudo: please install $*"
            return 1
        fi
        as_root=sudo
    fi
    say "installing $* with apt-get"
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq >&2 || say "apt-get update failed; trying on"
    # A cluster of Debian's own would only take a port and memory: we start our own.
    $as_root env DEBIAN_FRONTEND=noninteractive sh -c '
        if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
            mkdir -p /etc/postgresql-common
            echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
        fi
        exec apt-get install -y -qq --no-install-recommends "$@"' sh "$@" >&2
}

# install_tools [PACKAGE...] : what a build and a demo need, and the named Debian packages where they are missing.
install_tools() {
    missing=
    [ -n "$(postgres_bin)" ] || missing="$missing postgresql"
    has psql || missing="$missing postgresql-client"
    has cc && has make || missing="$missing gcc make libc6-dev"
    has_libclang && has_clang_headers || missing="$missing libclang-dev"
    if has dpkg-query; then
        for package in "$@"; do
            dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
                missing="$missing $package"
        done
    fi
    if [ -n "$missing" ]; then
        if has apt-get; then
            # shellcheck disable=SC2086 # a list of words
            apt_install $missing || return 1
        else
            say "please install:$missing (or what your system calls them)"
        fi
    fi
    if ! has cargo && [ -x "$HOME/.cargo/bin/cargo" ]; then
        PATH="$HOME/.cargo/bin:$PATH"
        export PATH
    fi
    if ! has cargo; then
        say "please install Rust 1.95 or newer (https://rustup.rs), then run this again"
        return 1
    fi
}
