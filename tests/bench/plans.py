#!/usr/bin/env python3
"""Plans: the TPC-H queries as pgcordon rewrites them against native row security, on the same data.

    cargo build --release -p pgcordon-cli
    PGCORDON_BIN=target/release/pgcordon PG_BIN=/usr/lib/postgresql/15/bin python3 tests/bench/plans.py [SCALE]

Starts a PostgreSQL of its own on loopback (as user postgres where it is run by root), loads tests/cases/tpch at SCALE
times its size (10 unless said) into two databases, guards one with what `pgcordon export-sql` prints, and runs both
forms by turns. Prints milliseconds (the best of five, planning left out) and their ratio; below 1 pgcordon is faster.
"""
import math
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
CASES = ROOT / "tests" / "cases"
PGCORDON = os.environ.get("PGCORDON_BIN", str(ROOT / "target" / "release" / "pgcordon"))
PG_BIN = pathlib.Path(os.environ.get("PG_BIN", "/usr/lib/postgresql/15/bin"))
SETTINGS = "-c fsync=off -c jit=off -c max_parallel_workers_per_gather=0 -c shared_buffers=512MB -c work_mem=64MB"
# Nobody logs in through pgcordon here: any verifier will do.
VERIFIER = "SCRAM-SHA-256$4096:" + "A" * 22 + "==$" + "A" * 43 + "=:" + "A" * 43 + "="
PERSON, ROUNDS = "emma", 5


def server(*command):
    user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
    subprocess.run([*user, *map(str, command)], check=True, capture_output=True)


class Cluster:
    def __init__(self, folder):
        self.data = folder / "data"
        self.data.mkdir()
        if os.getuid() == 0:
            shutil.chown(folder, "postgres")
            shutil.chown(self.data, "postgres")
        server(PG_BIN / "initdb", "-D", self.data, "-A", "trust", "-U", "postgres", "--locale=C.UTF-8")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        options = f"-p {self.port} -k {self.data} -c listen_addresses=127.0.0.1 {SETTINGS}"
        server(PG_BIN / "pg_ctl", "-D", self.data, "-l", self.data / "log", "-o", options, "-w", "start")

    def stop(self):
        server(PG_BIN / "pg_ctl", "-D", self.data, "-m", "fast", "stop")

    def run(self, database, sql, user="postgres"):
        command = ["psql", "-X", "-At", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(self.port), "-U", user]
        done = subprocess.run([*command, "-d", database, "-f", "-"], input=sql, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{database}: {done.stderr[:2000]}")
        return done.stdout

    def milliseconds(self, database, sql, user):
        plan = self.run(database, "EXPLAIN (ANALYZE, TIMING off, SUMMARY on) " + sql, user)
        return float(re.search(r"Execution Time: ([\d.]+)", plan).group(1))


def scaled(data, scale):
    for old, new in [
        ("generate_series(1, 300)", f"generate_series(1, {300 * scale})"),
        ("pick(50, g, 299)", f"pick(50, g, {300 * scale - 1})"),
        ("generate_series(1, 1500)", f"generate_series(1, {3000 * scale})"),
        ("* 8 + line, 300)", f"* 8 + line, {300 * scale})"),
    ]:
        if old not in data:
            raise SystemExit(f"data.sql has no `{old}` to scale")
        data = data.replace(old, new)
    return data


def configuration(folder, cluster, dbname):
    folder.mkdir()
    policy = "".join((CASES / "tpch" / name).read_text() for name in ["people.yaml", "relationship.yaml"])
    policy = re.sub(r'"<\w+>"', f'"{VERIFIER}"', policy).replace("upstream: main", f"upstream: main\n    dbname: {dbname}")
    (folder / "policy.yaml").write_text(policy)
    (folder / "pgcordon.yaml").write_text(
        f"listen: 127.0.0.1:1\nupstreams:\n  main: {{ host: 127.0.0.1, port: {cluster.port}, user: pgcordon, "
        "password: pgcordon_pw, sslmode: disable }\npolicy: [policy.yaml]\n"
    )
    return folder / "pgcordon.yaml"


def pgcordon(command, path, *more):
    arguments = [PGCORDON, command, "--config", str(path), "--database", "tpch", *more]
    return subprocess.run(arguments, check=True, capture_output=True, text=True).stdout


def rewritten(path, sql):
    said = pgcordon("explain", path, "--as", PERSON, sql)
    return re.search(r"(?is)\n((select|with)\b.*)\Z", said).group(1)


def measure(folder, scale):
    cluster = Cluster(folder)
    try:
        cluster.run("postgres", (CASES / "roles.sql").read_text())
        schema, data = ((CASES / "tpch" / name).read_text() for name in ["schema.sql", "data.sql"])
        grants = "GRANT USAGE ON SCHEMA public TO pgcordon; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO pgcordon"
        for database in ["plain", "native"]:
            cluster.run("postgres", f"CREATE DATABASE {database}")
            for sql in [schema, scaled(data, scale), grants, "ANALYZE"]:
                cluster.run(database, sql)
        path = configuration(folder / "plain", cluster, "plain")
        cluster.run("native", pgcordon("export-sql", configuration(folder / "native", cluster, "native"), "--passwords"))
        ratios = []
        for case in ("\n" + (CASES / "tpch" / "queries.sql").read_text()).split("\n-- ")[1:]:
            title, sql = case.split("\n", 1)
            sql = sql.strip().rstrip(";")
            ours = rewritten(path, sql)
            rounds = [
                (cluster.milliseconds("plain", ours, "postgres"), cluster.milliseconds("native", sql, PERSON))
                for _ in range(ROUNDS)
            ]
            mine, native = (min(times) for times in zip(*rounds))
            ratios.append(mine / native)
            print(f"{title.split(';')[0]:24} pgcordon {mine:9.2f} ms   native {native:9.2f} ms   {mine / native:5.2f}", flush=True)
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        print(f"geometric mean {mean:.2f}, highest {max(ratios):.2f}, {len(ratios)} queries")
    finally:
        cluster.stop()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="pgcordon-plans-") as folder:
        measure(pathlib.Path(folder), int(sys.argv[1]) if len(sys.argv) > 1 else 10)
