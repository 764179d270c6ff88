"""What is run: one cell is one workload, through one protocol, with so many clients, against one target.

In:  words such as `select:prepared:8` or `churn:simple:4:10` (the last number is seconds).
Out: a dictionary of figures per cell, for report.py and the JSON file.

Invariants:
- Every target answers the same rows: the scripts ask only for what the policy shows.
- A transaction that failed makes the cell an error, not a figure.
"""
import dataclasses
import os
import pathlib
import re
import resource
import subprocess
import time

import machine
from stage import program

MODES = ("simple", "extended", "prepared")
WIDE_ROWS, WIDE_BYTES, SCALE = 10_000, 100, 10
# More than this many cores used by processes outside the test: the cell is measured again, then discarded.
STRANGERS = 0.3

# Rows of branch 1: the tenant sees them all.
POINT = "\\set aid random(1, 100000)\n"
SELECT = "SELECT abalance FROM pgbench_accounts WHERE aid = :aid;\n"
TPCB = f"""\\set aid random(1, {100_000 * SCALE})
\\set bid random(1, {SCALE})
\\set tid random(1, {10 * SCALE})
\\set delta random(-5000, 5000)
BEGIN;
UPDATE pgbench_accounts SET abalance = abalance + :delta WHERE aid = :aid;
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
UPDATE pgbench_tellers SET tbalance = tbalance + :delta WHERE tid = :tid;
UPDATE pgbench_branches SET bbalance = bbalance + :delta WHERE bid = :bid;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (:tid, :bid, :aid, :delta, CURRENT_TIMESTAMP);
END;
"""
# A pooler in transaction mode before native row security must say for whom, in each transaction.
SETTX = f"{POINT}BEGIN;\nSELECT set_config('app.bid', '1', true);\n{SELECT}COMMIT;\n"
SETTX1 = f"{POINT}BEGIN\\; SELECT set_config('app.bid', '1', true)\\; {SELECT.rstrip()[:-1]}\\; COMMIT;\n"


@dataclasses.dataclass(frozen=True)
class Kind:
    """A workload."""

    script: str
    user: str = "bench"
    tls: bool = False
    # A new connection for each transaction.
    connects: bool = False
    # What a target runs that enforces the rule itself, where it differs.
    enforced: str = ""
    # Ratios are taken against this target instead of PgBouncer's of the same mode.
    against: str = ""
    # Targets that the workload says something about; all if empty.
    only: tuple = ()

    def for_target(self, target):
        return self.enforced if self.enforced and target.enforces else self.script


ENFORCING = ("pgcordon-s", "pgcordon-tx")
KINDS = {
    "select": Kind(POINT + SELECT),
    "pred": Kind(POINT + SELECT.replace(":aid;", ":aid AND bid = 1;"), only=("direct",)),
    "tpcb": Kind(TPCB, user="clerk"),
    "one": Kind("SELECT 1;\n"),
    "wide": Kind("SELECT payload FROM wide;\n"),
    "churn": Kind("SELECT 1;\n", connects=True),
    "churntls": Kind("SELECT 1;\n", connects=True, tls=True),
    "tls": Kind(POINT + SELECT, tls=True),
    "settx": Kind(SETTX, enforced=POINT + SELECT, against="pgb-rls", only=("rls", "pgb-rls", *ENFORCING)),
    "settx1": Kind(SETTX1, enforced=POINT + SELECT, against="pgb-rls", only=("rls", "pgb-rls", *ENFORCING)),
    "idle": Kind(""),  # measured by idle.py
}
WITHOUT_PROXY = ("direct", "rls")


@dataclasses.dataclass(frozen=True)
class Cell:
    kind: str
    mode: str
    clients: int
    seconds: int = 0

    @classmethod
    def read(cls, text):
        kind, mode, clients, *seconds = text.split(":")
        if kind not in KINDS or mode not in MODES or len(seconds) > 1:
            raise SystemExit(f"no such cell: {text} (KIND:MODE:CLIENTS[:SECONDS], kinds {', '.join(KINDS)})")
        return cls(kind, mode, int(clients), int(seconds[0]) if seconds else 0)

    def __str__(self):
        return f"{self.kind}:{self.mode}:{self.clients}"

    def applies(self, target):
        """Whether this workload can be run on the target and means something there."""
        kind = KINDS[self.kind]
        if self.mode == "prepared" and not target.prepares:
            return False
        if kind.only:
            return target.name in kind.only
        if self.kind == "idle" and (target.name in WITHOUT_PROXY or not target.shares):
            return False
        return target.name != "pgb-rls" and (target.tls or not kind.tls)


ALL = [
    *(f"{kind}:{mode}:{clients}" for kind in ("select", "tpcb") for clients in (8, 1, 32) for mode in MODES),
    "pred:simple:8", "pred:extended:8", "pred:prepared:8", "one:simple:8", "wide:simple:1", "tls:simple:8",
    "churn:simple:4", "churntls:simple:4", "settx:simple:8", "settx:prepared:8", "settx1:simple:8", "idle:simple:5000",
]
QUICK = ["select:simple:8", "select:extended:8", "select:prepared:8"]


class Runner:
    """Runs cells, one at a time."""

    def __init__(self, folder, cluster, password, seconds):
        self.cluster, self.password, self.seconds = cluster, password, seconds
        self.folder = pathlib.Path(folder)
        self.scripts = {}

    def _file(self, script):
        if script not in self.scripts:
            path = self.folder / f"script{len(self.scripts)}.sql"
            path.write_text(script)
            self.scripts[script] = path
        return self.scripts[script]

    def command(self, cell, target, length):
        """pgbench's arguments and environment; `length` is its -T or -t."""
        kind = KINDS[cell.kind]
        command = [program("pgbench"), "-n", "-f", self._file(kind.for_target(target)), "-M", cell.mode]
        command += ["-c", cell.clients, "-j", 1, *length, *(["-C"] if kind.connects else []), target.database]
        env = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        env |= {
            "PGHOST": "127.0.0.1", "PGPORT": str(target.port), "PGUSER": target.user or kind.user,
            "PGPASSWORD": self.password, "PGSSLMODE": "require" if kind.tls else "disable",
            "PGGSSENCMODE": "disable", "PGCONNECT_TIMEOUT": "10",
        }
        return [str(word) for word in command], env

    def warm(self, targets):
        """Pools filled, catalogs cached, plans made."""
        for target in targets:
            self.measure(Cell("settx" if target.name == "pgb-rls" else "select", "simple", 4, 1), target)

    def vacuum(self, cell):
        """As pgbench itself does before TPC-B, which leaves dead rows behind."""
        if cell.kind == "tpcb":
            for database in ("bench", "native"):
                sql = "VACUUM pgbench_branches; VACUUM pgbench_tellers; TRUNCATE pgbench_history"
                self.cluster.run(database, sql)

    def measure(self, cell, target):
        self.vacuum(cell)
        seconds = cell.seconds or self.seconds
        command, env = self.command(cell, target, ["-T", seconds])
        before, children, start = self._read(target), resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        child = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        memory = 0
        try:
            out, err = child.communicate(timeout=seconds * 0.7)
        except subprocess.TimeoutExpired:
            memory = machine.rss(target.pids)
            out, err = self._finish(child, seconds)
        wall, busy = time.monotonic() - start, machine.busy()
        time.sleep(0.15)  # a backend that ends is counted by its parent only once it has been reaped
        after = self._read(target)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        client = used.ru_utime + used.ru_stime - children.ru_utime - children.ru_stime
        result = {"target": target.name, "cell": str(cell), "wall": round(wall, 2), "rss_mb": round(memory / 1e6, 1)}
        transactions = _number(r"transactions actually processed: (\d+)", out)
        if child.returncode or not transactions or _number(r"failed transactions: (\d+)", out):
            return result | {"error": (err.strip() or "no transaction").splitlines()[-1][:300]}
        proxy, server = after["proxy"] - before["proxy"], after["server"] - before["server"]
        total, steal = busy[0] - before["busy"][0], busy[1] - before["busy"][1]
        return result | {
            "transactions": int(transactions), "tps": _number(r"^tps = ([\d.]+)", out),
            "latency_ms": _number(r"latency average = ([\d.]+) ms", out),
            "proxy_us": proxy * 1e6 / transactions, "server_us": server * 1e6 / transactions,
            "client_us": client * 1e6 / transactions,
            "strangers": max(total - proxy - server - client, 0) / wall, "steal": steal / wall,
        }

    def _read(self, target):
        return {"proxy": machine.cpu(target.pids), "server": machine.cpu([self.cluster.pid]), "busy": machine.busy()}

    @staticmethod
    def _finish(child, seconds):
        try:
            return child.communicate(timeout=seconds + 30)
        except subprocess.TimeoutExpired:
            child.kill()
            out, err = child.communicate()
            return out, err + "\nkilled: did not end in time"


def _number(pattern, text):
    found = re.search(pattern, text, re.M)
    return float(found.group(1)) if found else 0.0
