"""The targets: PostgreSQL itself, PgBouncer, pgcordon, and whatever `--peer` starts.

In:  a folder, the cluster, PGCORDON_BIN, PGBOUNCER_BIN.
Out: targets by name, each with the port to ask and the processes to charge.

| target      | what                                                                              |
|-------------|-----------------------------------------------------------------------------------|
| direct      | PostgreSQL, no rule at all                                                        |
| rls         | PostgreSQL under native row security, the tenant fixed at login                   |
| pgb-tx, -s  | PgBouncer in transaction and in session mode, no rule at all                      |
| pgb-rls     | PgBouncer in transaction mode, native row security behind it (settx, settx1 only) |
| pgcordon-*  | pgcordon in either mode, its policy in force on every table                       |
| others      | name ends in -tx or -s: its pool mode, which says with whom it is compared        |
"""
import dataclasses
import os
import pathlib
import re
import signal
import subprocess

import cells
from stage import AS_SERVER, Process, free_port, program

PASSWORD = "benchpw"
NAMES = ["direct", "rls", "pgb-tx", "pgb-s", "pgb-rls", "pgcordon-s", "pgcordon-tx"]

# `native` is a copy of `bench` with row security; nothing of it weighs on the other targets.
SCHEMA = f"""
CREATE TABLE wide (id int PRIMARY KEY, bid int NOT NULL, payload text NOT NULL);
INSERT INTO wide SELECT n, 1, rpad(md5(n::text) || md5((n + 1)::text) || md5((n + 2)::text), {cells.WIDE_BYTES}, 'x')
    FROM generate_series(1, {cells.WIDE_ROWS}) AS n;
GRANT USAGE ON SCHEMA public TO bench, clerk, pooled, pgcordon;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO bench, clerk, pooled, pgcordon;
VACUUM ANALYZE;
"""
NATIVE = """
DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY '{pgbench_accounts,pgbench_tellers,pgbench_branches,pgbench_history,wide}'::text[] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY tenant ON %I TO bench, pooled USING (bid = current_setting(''app.bid'')::int)', t);
        EXECUTE format('CREATE POLICY staff ON %I TO clerk USING (bid = ANY (current_setting(''app.bids'')::int[]))', t);
    END LOOP;
END $$;
ALTER ROLE bench IN DATABASE native SET app.bid = '1';
ALTER ROLE clerk IN DATABASE native SET app.bids = '{1,2,3,4,5,6,7,8,9,10}';
VACUUM ANALYZE;
"""


def prepare(cluster, verifier):
    """Roles, pgbench's tables, the same again under row security."""
    for role in ("bench", "clerk", "pooled", "pgcordon"):
        cluster.run("postgres", f"CREATE ROLE {role} LOGIN PASSWORD '{verifier}'")
    cluster.run("postgres", "CREATE DATABASE bench")
    command = [program("pgbench"), "-q", "-i", "-s", cells.SCALE, "-h", cluster.socket, "-p", cluster.port]
    subprocess.run([str(word) for word in [*command, "-U", "postgres", "bench"]], check=True, capture_output=True)
    cluster.run("bench", SCHEMA)
    cluster.run("postgres", "CREATE DATABASE native TEMPLATE bench")
    cluster.run("native", NATIVE)


@dataclasses.dataclass
class Target:
    """Where pgbench connects to, and who is charged for it."""

    name: str
    port: int
    database: str = "bench"
    pids: list = dataclasses.field(default_factory=list)
    # Connects as this user instead of the workload's.
    user: str = ""
    # Enforces the row rule without the client's help.
    enforces: bool = False
    # Knows prepared statements of the protocol in its pool mode.
    prepares: bool = True
    # More clients than upstream connections can work by turns.
    shares: bool = True
    tls: bool = True


class Stage:
    """Starts what the chosen targets need; `stop` ends it."""

    def __init__(self, folder, cluster, verifier, tls, names, peers, wrap=list):
        """`wrap` turns the command line of a pgcordon into the one that is run."""
        self.wrap = wrap
        self.folder, self.cluster, self.verifier, self.tls = folder, cluster, verifier, tls
        folder.mkdir(mode=0o755)
        self.processes, self.notes = {}, []
        made = {"direct": self._direct, "rls": self._rls, "pgb-rls": self._pgb_rls}
        self.targets = []
        try:
            for name in names:
                target = made.get(name, self._proxied)(name, peers)
                self.targets += [target] if target else []
        except BaseException:
            self.stop()
            raise

    def stop(self):
        for process in self.processes.values():
            process.stop()

    def _direct(self, name, _peers):
        return Target(name, self.cluster.port)

    def _rls(self, name, _peers):
        return Target(name, self.cluster.port, database="native")

    def _pgb_rls(self, name, _peers):
        bouncer = self._bouncer("transaction")
        return Target(name, bouncer.port, database="native", pids=[bouncer.pid], prepares=bouncer_version() >= (1, 21))

    def _proxied(self, name, peers):
        if name in peers:
            process = self._peer(name, peers[name])
            return Target(name, process.port, pids=[process.pid], shares=not name.endswith("-s"))
        product, _, mode = name.partition("-")
        mode = {"s": "session", "tx": "transaction"}.get(mode)
        if not mode or product not in ("pgb", "pgcordon"):
            raise SystemExit(f"no such target: {name} (known: {', '.join([*NAMES, *peers])})")
        if product == "pgb":
            bouncer = self._bouncer(mode)
            prepares = mode == "session" or bouncer_version() >= (1, 21)
            return Target(name, bouncer.port, pids=[bouncer.pid], prepares=prepares, shares=mode != "session")
        process = self._pgcordon(mode)
        if not process:
            return None
        return Target(name, process.port, pids=[process.pid], enforces=True, shares=mode != "session")

    # --- PgBouncer

    def _bouncer(self, mode):
        key = f"pgbouncer-{mode}"
        if key not in self.processes:
            port, folder = free_port(), self.folder / key
            folder.mkdir()
            (folder / "users.txt").write_text("".join(f'"{user}" "{self.verifier}"\n' for user in ("bench", "clerk")))
            (folder / "pgbouncer.ini").write_text(self._bouncer_ini(mode, port, folder))
            command = [*AS_SERVER, bouncer_binary(), folder / "pgbouncer.ini"]
            # INT waits for clients to leave, TERM does not.
            self.processes[key] = Process(key, command, port, folder / "log", stop=signal.SIGTERM)
        return self.processes[key]

    def _bouncer_ini(self, mode, port, folder):
        server = f"host=127.0.0.1 port={self.cluster.port} password={PASSWORD}"
        return "\n".join([
            "[databases]",
            f"bench = {server} dbname=bench user=bench",
            f"native = {server} dbname=native user=pooled",
            "[pgbouncer]",
            "listen_addr = 127.0.0.1", f"listen_port = {port}", "unix_socket_dir =",
            "auth_type = scram-sha-256", f"auth_file = {folder}/users.txt",
            f"pool_mode = {mode}", f"default_pool_size = {pool_size(mode)}", "max_client_conn = 6000",
            *(["max_prepared_statements = 200"] if bouncer_version() >= (1, 21) else []),
            "server_tls_sslmode = disable", "client_tls_sslmode = allow",
            f"client_tls_cert_file = {self.tls[0]}", f"client_tls_key_file = {self.tls[1]}",
            "log_connections = 0", "log_disconnections = 0", "log_stats = 0", "",
        ])

    # --- pgcordon

    def _pgcordon(self, mode):
        key, port = f"pgcordon-{mode}", free_port()
        folder = self.folder / key
        folder.mkdir()
        more = ", pool_mode: transaction" if mode == "transaction" else ""
        policy = (pathlib.Path(__file__).parent / "policy.yaml").read_text()
        policy = policy.replace("<verifier>", self.verifier).replace("{ upstream: main,", f"{{ upstream: main{more},")
        (folder / "policy.yaml").write_text(policy)
        (folder / "pgcordon.yaml").write_text(self._pgcordon_yaml(mode, port))
        binary, path = os.environ["PGCORDON_BIN"], folder / "pgcordon.yaml"
        said = subprocess.run([binary, "check", "--offline", "--config", path], capture_output=True, text=True)
        if said.returncode and more:
            self.notes.append(f"no transaction pooling in this pgcordon: {(said.stdout + said.stderr).strip()[-200:]}")
            return None
        command = self.wrap([binary, "serve", "--config", path])
        self.processes[key] = Process(key, command, port, folder / "log")
        return self.processes[key]

    def _pgcordon_yaml(self, mode, port):
        return "\n".join([
            f"listen: 127.0.0.1:{port}",
            f"tls: {{ certificate: {self.tls[0]}, key: {self.tls[1]} }}",
            "upstreams:",
            f"  main: {{ host: 127.0.0.1, port: {self.cluster.port}, user: pgcordon, password: {PASSWORD}, "
            f"sslmode: disable, pool_size: {pool_size(mode)} }}",
            "policy: [policy.yaml]",
            "limits: { max_connections: 6000, drain_timeout: 1s }", "",
        ])

    # --- others

    def _peer(self, name, command):
        """A shell command that stays in the foreground and passes statements on, from $PORT to $PG_PORT."""
        port = free_port()
        env = dict(
            os.environ, PORT=str(port), PG_PORT=str(self.cluster.port), PG_DATABASE="bench", PG_USER="bench",
            PG_PASSWORD=PASSWORD, PG_VERIFIER=self.verifier, TLS_CERTIFICATE=str(self.tls[0]), TLS_KEY=str(self.tls[1]),
        )
        self.processes[name] = Process(name, ["sh", "-c", command], port, self.folder / f"{name}.log", env=env)
        return self.processes[name]


def pool_size(mode):
    return 20 if mode == "transaction" else 40


def bouncer_binary():
    return os.environ.get("PGBOUNCER_BIN", "/usr/sbin/pgbouncer")


def bouncer_version():
    said = subprocess.run([bouncer_binary(), "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(word) for word in re.search(r"(\d+)\.(\d+)", said).groups())


def versions():
    """What is measured, in words."""
    server = subprocess.run([program("postgres"), "--version"], capture_output=True, text=True, check=True).stdout
    server = re.search(r"[\d.]+", server).group(0)
    return f"PostgreSQL {server}, PgBouncer {'.'.join(map(str, bouncer_version()))}"
