#!/usr/bin/env python3
"""Torture: load while upstream backends are killed and PostgreSQL is restarted, with clients that misbehave.

    PGCORDON_BIN=target/release/pgcordon PG_BIN=/usr/lib/postgresql/15/bin python3 tests/bench/torture.py --mode transaction

In:  seconds, a pool mode, a seed. Two people of different regions write and read through one pgcordon and few connections.
Out: counts, and a list of findings with exit status 1. `--sabotage` doubles and drops a row: that must be found.

What is asked afterwards, of the server itself:
- every transaction that was acknowledged is there, once; none that was refused is; none is there twice;
- nobody read a row of the other region;
- pgcordon still answers, and its memory is back near its level.

Invariants:
- An id is never used twice: it is a worker's number and its count of transactions.
- A transaction whose end was not told is `unknown`: it may be there, or not, but not twice.
"""
import argparse
import collections
import os
import pathlib
import random
import sys
import tempfile
import threading
import time

import machine
import wire
from stage import Cluster, Process, free_port, verifier

PEOPLE = {"rita": "North", "ralf": "South"}
# Memory over its level before the load: what the allocator keeps of it.
SPARE_BYTES = 64e6
POLICY = """
listen: 127.0.0.1:{port}
upstreams: {{ main: {{ host: 127.0.0.1, port: {upstream}, user: pgcordon, sslmode: disable, pool_size: 4 }} }}
limits: {{ queue_timeout: 3s }}
attributes: {{ region: text }}
roles: {{ rep: {{}} }}
users:
  rita: {{ password: "{verifier}", roles: [rep], attributes: {{ region: North }}, pool_mode: {mode} }}
  ralf: {{ password: "{verifier}", roles: [rep], attributes: {{ region: South }}, pool_mode: {mode} }}
databases: {{ torture: {{ upstream: main, dbname: torture, connect: everyone }} }}
tables:
  public.ledger:
    - {{ name: own region, to: [rep], allow: [select, insert], rows: "region = {{user.region}}" }}
"""


class Journal:
    def __init__(self):
        self.lock, self.fates, self.findings, self.errors = threading.Lock(), {}, [], collections.Counter()

    def note(self, number, region, fate):
        with self.lock:
            self.fates[number] = (region, fate)

    def find(self, text):
        with self.lock:
            self.findings.append(text)

    def error(self, code):
        with self.lock:
            self.errors[code] += 1


class Worker(threading.Thread):
    """One client after another, each making transactions until its connection is lost or it has had enough."""

    def __init__(self, number, port, user, journal, stop):
        super().__init__(daemon=True)
        self.number, self.port, self.user, self.journal, self.stop = number, port, user, journal, stop
        self.random, self.serial, self.region = random.Random(number), 0, PEOPLE[user]

    def run(self):
        while not self.stop.is_set():
            try:
                connection = wire.Connection(self.port, self.user, "pw", "torture", timeout=20)
            except (OSError, wire.ServerError):
                time.sleep(0.05)
                continue
            try:
                self.serve(connection)
            except TimeoutError:
                self.journal.find(f"worker {self.number}: no answer")
            except OSError:
                pass
            finally:
                connection.close(politely=self.random.random() < 0.5)

    def serve(self, connection):
        connection.prepare("p", "INSERT INTO ledger (id, region) VALUES ($1::bigint, $2::text)")
        for _ in range(self.random.randint(1, 60)):
            if self.stop.is_set():
                return
            self.serial += 1
            number = self.number * 10_000_000 + self.serial
            way = self.random.choice([self.simple, self.extended, self.prepared, self.block, self.undone, self.foreign])
            fate = "unknown"
            try:
                fate = way(connection, number)
            except wire.ServerError as error:
                self.journal.error(error.code)
                # A lost connection leaves open what became of it; any other error undid it.
                if not error.code.startswith(("57", "08", "53")):
                    fate = "refused"
                if connection.status != b"I":
                    connection.query("ROLLBACK")
            finally:
                self.journal.note(number, self.region, fate)
            self.read(connection)

    def simple(self, connection, number):
        connection.query(f"INSERT INTO ledger (id, region) VALUES ({number}, '{self.region}')")
        return "acknowledged"

    def extended(self, connection, number):
        connection.extended("INSERT INTO ledger (id, region) VALUES ($1::bigint, $2::text)", number, self.region)
        return "acknowledged"

    def prepared(self, connection, number):
        connection.execute("p", number, self.region)
        return "acknowledged"

    def block(self, connection, number):
        connection.query("BEGIN")
        self.extended(connection, number)
        time.sleep(self.random.random() * 0.005)
        connection.query("COMMIT")
        return "acknowledged"

    def undone(self, connection, number):
        connection.query("BEGIN")
        self.simple(connection, number)
        connection.query("ROLLBACK")
        return "refused"

    def foreign(self, connection, number):
        other = next(region for region in PEOPLE.values() if region != self.region)
        connection.query(f"INSERT INTO ledger (id, region) VALUES ({number}, '{other}')")
        self.journal.find(f"{number} was written into the other region")
        return "acknowledged"

    def read(self, connection):
        try:
            rows = connection.extended("SELECT DISTINCT region FROM ledger")
        except wire.ServerError as error:
            self.journal.error(error.code)
            return
        if rows not in ([], [[self.region]]):
            self.journal.find(f"{self.user} read {rows}")


class Nuisance(threading.Thread):
    """Half a message, half a transaction, an answer that is never read; then gone without a word."""

    def __init__(self, number, port, user, stop):
        super().__init__(daemon=True)
        self.random, self.port, self.user, self.stop = random.Random(-number), port, user, stop

    def run(self):
        while not self.stop.is_set():
            try:
                connection = wire.Connection(self.port, self.user, "pw", "torture", timeout=20)
                connection.send(self.random.choice([
                    b"Q\0\0\1\0SELECT",
                    wire.message(b"Q", b"BEGIN\0"),
                    wire.message(b"Q", b"SELECT a.id FROM ledger a, ledger b LIMIT 400000\0"),
                    wire.message(b"P", b"\0SELECT 1\0\0\0"),
                ]))
                time.sleep(self.random.random() * 0.5)
                connection.close(politely=False)
            except (OSError, wire.ServerError):
                time.sleep(0.05)


def disturb(cluster, chance, end, restart_s):
    """Kills a backend every now and then, and restarts the server."""
    restart = time.monotonic() + restart_s
    while time.monotonic() < end:
        time.sleep(chance.random() * 0.4)
        if time.monotonic() > restart:
            cluster.stop()
            time.sleep(chance.random() * 0.5)
            cluster.start()
            restart = time.monotonic() + restart_s
        else:
            cluster.run("torture", """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE usename = 'pgcordon' ORDER BY random() LIMIT 1""")


def compare(cluster, journal):
    found = collections.Counter()
    for line in cluster.run("torture", "SELECT id, region FROM ledger").splitlines():
        number, region = line.split("|")
        found[int(number)] += 1
        if journal.fates.get(int(number), (None, ""))[0] != region:
            journal.find(f"{number} of {region} is there, and nobody there wrote it")
    for number, (_, fate) in journal.fates.items():
        if found[number] > 1:
            journal.find(f"{number} was applied {found[number]} times")
        if fate == "acknowledged" and not found[number]:
            journal.find(f"{number} was acknowledged, and is not there")
        if fate == "refused" and found[number]:
            journal.find(f"{number} was refused, and is there")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--mode", choices=("session", "transaction"), default="transaction")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 31))
    parser.add_argument("--sabotage", action="store_true")
    given = parser.parse_args()
    print(f"seed {given.seed}, {given.seconds} s, {given.mode} mode", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        folder.chmod(0o755)
        (folder / "cluster").mkdir()
        cluster = Cluster(folder / "cluster", shared_buffers="64MB", fsync="on", synchronous_commit="on")
        try:
            return torture(given, folder, cluster)
        finally:
            cluster.stop()


def torture(given, folder, cluster):
    cluster.run("postgres", "CREATE ROLE pgcordon LOGIN; CREATE DATABASE torture")
    cluster.run("torture", "CREATE TABLE ledger (id bigint, region text); GRANT SELECT, INSERT ON ledger TO pgcordon")
    port = free_port()
    text = POLICY.format(port=port, upstream=cluster.port, verifier=verifier("pw"), mode=given.mode)
    (folder / "pgcordon.yaml").write_text(text)
    command = [os.environ["PGCORDON_BIN"], "serve", "--log", "error", "--config", folder / "pgcordon.yaml"]
    proxy = Process("pgcordon", command, port, folder / "pgcordon.log")
    try:
        journal, stop, level = Journal(), threading.Event(), machine.rss([proxy.pid])
        # In session mode each client holds a connection: no more of them than connections, or they only wait.
        count = 8 if given.mode == "transaction" else 3
        people = list(PEOPLE)
        threads = [Worker(number, port, people[number % 2], journal, stop) for number in range(1, count + 1)]
        threads += [Nuisance(number, port, people[number % 2], stop) for number in range(2 if count == 8 else 1)]
        for thread in threads:
            thread.start()
        disturb(cluster, random.Random(given.seed), time.monotonic() + given.seconds, 15)
        stop.set()
        for thread in threads:
            thread.join(60)
            if thread.is_alive():
                journal.find("a client hangs")
        if given.sabotage:
            cluster.run("torture", """INSERT INTO ledger SELECT * FROM ledger LIMIT 1;
                DELETE FROM ledger WHERE id = (SELECT max(id) FROM ledger)""")
        compare(cluster, journal)
        time.sleep(5)
        grown = machine.rss([proxy.pid]) - level
        if grown > SPARE_BYTES:
            journal.find(f"memory grew by {grown / 1e6:.1f} MB")
        check = wire.Connection(port, "rita", "pw", "torture")
        if check.query("SELECT DISTINCT region FROM ledger") != [["North"]]:
            journal.find("pgcordon does not answer as it should")
        check.close()
    finally:
        proxy.stop()
    log = (folder / "pgcordon.log").read_text(errors="replace")
    if "panic" in log or "alarm" in log.lower():
        journal.find(f"in the log: {log[-500:]}")
    fates = collections.Counter(fate for _, fate in journal.fates.values())
    print(dict(fates), "errors", dict(journal.errors), f"memory +{grown / 1e6:.1f} MB")
    for finding in journal.findings[:50]:
        print("FINDING", finding)
    return 1 if journal.findings else 0


if __name__ == "__main__":
    sys.exit(main())
