#!/usr/bin/env bash
# Runs the red-team corpus against pgcordon, on a PostgreSQL of its own.
#
# In:  --attacks FILE, --outcomes FILE, --json FILE, --only GLOB, --strict and whatever else the runner knows.
#      The runner, its set-up and its schema stand beside the attacks file; by default in ../shared/redteam
#      beside the repository (REDTEAM says otherwise). PGCORDON_BIN names a binary to test instead of building one.
#      --unprotected leaves pgcordon out and asks PostgreSQL as its owner: that must report leaks.
#      KEEP_LOG=FILE keeps pgcordon's log. PGCORDON_POOL_MODE=transaction sets that mode.
# Out: the runner's report and its exit code: 0 clean, 1 findings, 2 something of the set-up failed.
#
# PostgreSQL's server and its contrib modules must be installed. What this script starts, it stops by process id.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
corpus=${REDTEAM:-$root/../shared/redteam}

fail() { echo "redteam: $*" >&2; exit 2; }

# --- arguments: the attacks file may bring its own runner; everything is passed on -----------------------------
arguments=()
attacks= unprotected=
while [ $# -gt 0 ]; do
    case $1 in
        --attacks=* | --outcomes=* | --json=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" ;;
    esac
    case $1 in
        --attacks | --outcomes | --json)
            [ $# -ge 2 ] || fail "$1 needs a file"
            case $2 in /*) file=$2 ;; *) file=$PWD/$2 ;; esac
            [ "$1" != --attacks ] || attacks=$file
            arguments+=("$1" "$file")
            shift 2 ;;
        --unprotected) unprotected=yes; shift ;;
        *) arguments+=("$1"); shift ;;
    esac
done
if [ -n "$attacks" ]; then
    [ -f "$attacks" ] || fail "no attacks file $attacks"
    if [ -f "$(dirname "$attacks")/run_attacks.py" ]; then corpus=$(dirname "$attacks"); fi
fi
[ -f "$corpus/run_attacks.py" ] || fail "no runner in $corpus (REDTEAM names another folder)"

# --- programs -------------------------------------------------------------------------------------------------
binaries=
for place in "${PGCORDON_PG_BIN:-}" /usr/lib/postgresql/15/bin /usr/lib/postgresql/*/bin; do
    if [ -n "$place" ] && [ -x "$place/initdb" ]; then binaries=$place; break; fi
done
[ -n "$binaries" ] || fail "PostgreSQL's server is missing (Debian: apt-get install postgresql postgresql-contrib)"

pgcordon=${PGCORDON_BIN:-}
if [ -z "$pgcordon" ] && [ -z "$unprotected" ]; then
    (cd "$root" && cargo build --quiet -p pgcordon-cli) || fail "pgcordon does not build"
    pgcordon=${CARGO_TARGET_DIR:-$root/target}/debug/pgcordon
fi
[ -n "$unprotected" ] || [ -x "$pgcordon" ] || fail "no binary $pgcordon"

as_server() {
    if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --init-groups -- "$@"; else "$@"; fi
}

# --- a folder, and the way out of it --------------------------------------------------------------------------
# The corpus looks for files named /tmp/rt_pwn*: nothing of ours may be called so.
folder=$(as_server mktemp -d -t pgcordon-redteam-XXXXXX)
ours=$(mktemp -d -t pgcordon-redteam-XXXXXX)
server= proxy=
stop() {
    if [ -n "$proxy" ]; then kill -s TERM "$proxy" 2>/dev/null || true; fi
    if [ -n "$proxy" ]; then wait "$proxy" 2>/dev/null || true; fi
    # INT is PostgreSQL's fast shutdown: it does not wait for clients.
    if [ -n "$server" ]; then kill -s INT "$server" 2>/dev/null || true; fi
    if [ -n "$server" ]; then wait "$server" 2>/dev/null || true; fi
    if [ -n "${KEEP_LOG:-}" ] && [ -f "$ours/log" ]; then cp "$ours/log" "$KEEP_LOG"; fi
    rm -rf "$folder" "$ours"
}
trap stop EXIT
trap 'exit 2' INT TERM

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# answers PORT PROCESS: waits until somebody accepts connections, or the process is gone
answers() {
    local try
    for try in $(seq 300); do
        kill -0 "$2" 2>/dev/null || return 1
        if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then return 0; fi
        sleep 0.1
    done
    return 1
}

# --- PostgreSQL -----------------------------------------------------------------------------------------------
as_server "$binaries/initdb" --pgdata="$folder/data" --username=postgres --auth-local=trust \
    --auth-host=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --no-sync >"$folder/initdb.log" 2>&1 ||
    fail "initdb: $(cat "$folder/initdb.log")"
upstream_port=$(free_port)
# With setpriv the shell's child becomes the server itself, so that its process id is the one to stop.
if [ "$(id -u)" = 0 ]; then
    prefix=(setpriv --reuid=postgres --regid=postgres --init-groups --)
else
    prefix=()
fi
${prefix[@]+"${prefix[@]}"} "$binaries/postgres" -D "$folder/data" -p "$upstream_port" -k "$folder" \
    -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=200 -c autovacuum=off \
    -c max_prepared_transactions=10 -c wal_level=logical >"$ours/server.log" 2>&1 &
server=$!
answers "$upstream_port" "$server" || fail "PostgreSQL did not start: $(tail -5 "$ours/server.log")"

sql() { "$binaries/psql" -h "$folder" -p "$upstream_port" -U postgres -X -q -v ON_ERROR_STOP=1 "$@" >"$ours/sql.log" 2>&1; }
sql -d postgres -f "$corpus/setup.sql" || fail "setup.sql: $(tail -3 "$ours/sql.log")"
sql -d postgres -f "$here/roles.sql" || fail "roles.sql: $(tail -3 "$ours/sql.log")"
sql -d rt -f "$corpus/schema.sql" || fail "schema.sql (contrib modules?): $(tail -3 "$ours/sql.log")"
sql -d rt -f "$here/grants.sql" || fail "grants.sql: $(tail -3 "$ours/sql.log")"

# --- pgcordon -------------------------------------------------------------------------------------------------
if [ -n "$unprotected" ]; then
    port=$upstream_port
    logins=(rep_north=rt_owner:rt_owner_pw manager=rt_owner:rt_owner_pw readonly=rt_owner:rt_owner_pw)
else
    logins=(rep_north=rep_north:rep_north_pw manager=manager:manager_pw readonly=readonly:readonly_pw)
    port=$(free_port)
    # PGCORDON_POOL_MODE: the corpus runs in transaction mode as well.
    sed "s/^\( *\)connect:/\1pool_mode: ${PGCORDON_POOL_MODE:-session}\n&/" "$here/policy.yaml" >"$ours/policy.yaml"
    cat >"$ours/pgcordon.yaml" <<END
listen: 127.0.0.1:$port
upstreams:
  main: { host: 127.0.0.1, port: $upstream_port, user: pgcordon, password: pgcordon_pw, sslmode: disable }
policy: [policy.yaml]
limits: { catalog_interval: 500ms, drain_timeout: 2s }
END
    "$pgcordon" serve --config "$ours/pgcordon.yaml" >"$ours/log" 2>&1 &
    proxy=$!
    answers "$port" "$proxy" || fail "pgcordon did not start: $(tail -20 "$ours/log")"
fi

# --- the attacks ----------------------------------------------------------------------------------------------
status=0
python3 "$corpus/run_attacks.py" --dsn "host=127.0.0.1 port=$port dbname=rt" \
    --user "${logins[0]}" --user "${logins[1]}" --user "${logins[2]}" \
    --admin-dsn "host=127.0.0.1 port=$upstream_port dbname=rt user=rt_all password=rt_all_pw" \
    --load-extra "$here/grants.sql" ${arguments[@]+"${arguments[@]}"} || status=$?
if [ -n "$proxy" ] && ! kill -0 "$proxy" 2>/dev/null; then echo "redteam: pgcordon ended: $(tail -5 "$ours/log")" >&2; fi
exit "$status"
