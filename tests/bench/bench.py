#!/usr/bin/env python3
"""Interleaved benchmark: PostgreSQL alone, native row security, PgBouncer, pgcordon with its policy in force.

    sh tests/bench/run.sh                       # everything, three rounds, about 45 minutes
    sh tests/bench/run.sh --quick               # pgbench -S at 8 clients, pgcordon and PgBouncer
    sh tests/bench/run.sh --quick --cells select:prepared:8,select:extended:8 --targets pgb-s,pgcordon-s

A cell is KIND:MODE:CLIENTS[:SECONDS]; cells.py lists the kinds, peers.py the targets. In a round each cell is run on all
its targets one after another, in an order that turns from round to round, so that drift and noise hit all alike.

`proxy µs` is user and system time of the proxy's process tree per transaction, from /proc. `strangers` is how many cores
processes outside the test used meanwhile: a cell with more than 0.3 is measured again, and discarded if that does not
help (`~` marks a figure for which no quiet one was had). On a machine with few cores TPS is total cost seen another way.

Where the time goes: --perf FOLDER (sampling, kernel included) or --callgrind FOLDER (instructions per transaction outside
the kernel, the same on a busy machine). Both write a text file per cell: functions by themselves, and with what they call.

Another peer: --peer 'NAME=COMMAND', a shell command that stays in the foreground and listens on 127.0.0.1:$PORT for user
bench (SCRAM, $PG_PASSWORD, $PG_VERIFIER), database bench at 127.0.0.1:$PG_PORT; repeatable.
"""
import argparse
import json
import pathlib
import signal
import sys
import tempfile
import time

import cells
import idle
import machine
import peers
import picture
import report
import sampling
from stage import Cluster, certificate, verifier


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few cells, PgBouncer and pgcordon only, short rounds")
    parser.add_argument("--cells", help="comma-separated; default: all of them")
    parser.add_argument("--targets", help=f"comma-separated, of {', '.join(peers.NAMES)} and the peers")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=COMMAND")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, help="per cell; default 5, with --quick 3")
    parser.add_argument("--retries", type=int, default=1, help="how often a cell disturbed by strangers is run again")
    parser.add_argument("--json", type=pathlib.Path, help="where to write every figure")
    parser.add_argument("--perf", type=pathlib.Path, metavar="FOLDER", help="profile every cell of pgcordon into this folder")
    parser.add_argument(
        "--callgrind", type=pathlib.Path, metavar="FOLDER",
        help="instead of times: instructions per transaction of pgcordon outside the kernel, the same on a busy machine",
    )
    parser.add_argument("--write", action="store_true", help="write results.md and results.svg beside this script")
    parser.add_argument("--table", nargs="+", type=pathlib.Path, metavar="JSON", help="run nothing: show figures of earlier runs")
    given = parser.parse_args()
    given.peer = dict(word.split("=", 1) for word in given.peer)
    names = ["pgb-tx", "pgb-s", "pgcordon-s", "pgcordon-tx"] if given.quick else peers.NAMES
    given.targets = given.targets.split(",") if given.targets else [*names, *given.peer]
    chosen = given.cells.split(",") if given.cells else cells.QUICK if given.quick else cells.ALL
    given.cells = [cells.Cell.read(text) for text in chosen]
    given.seconds = given.seconds or (3 if given.quick else 5)
    return given


def say(text):
    print(text, file=sys.stderr, flush=True)


def turned(items, by):
    by %= max(len(items), 1)
    return items[by:] + items[:by]


def measured(given, measure):
    """A quiet figure, or the last one."""
    for _ in range(given.retries + 1):
        figure = measure()
        if report.quiet(figure):
            break
    return figure


class Run:
    """A server with all targets, for as many rounds as are wanted."""

    def __init__(self, folder, given):
        self.folder, self.given, self.fresh = folder, given, 0
        self.secret, self.tls = verifier(peers.PASSWORD), certificate(folder)
        data = folder / "cluster"
        data.mkdir()
        self.cluster = Cluster(data, hba="scram-sha-256", tls=self.tls)
        self.runner = cells.Runner(folder, self.cluster, peers.PASSWORD, given.seconds)

    def stage(self, names, wrap=list):
        self.fresh += 1
        folder = self.folder / f"stage{self.fresh}"
        return peers.Stage(folder, self.cluster, self.secret, self.tls, names, self.given.peer, wrap)

    def idle(self, cell, name):
        """On a proxy started for this alone."""
        stage = self.stage([name])
        try:
            self.runner.warm(stage.targets)
            return idle.measure(cell, stage.targets[0], self.runner)
        finally:
            stage.stop()

    def rounds(self, stage):
        """Yields every figure as it is made."""
        self.runner.warm(stage.targets)
        for number in range(self.given.rounds):
            for place, cell in enumerate(self.given.cells):
                applicable = [target for target in stage.targets if cell.applies(target)]
                for target in turned(applicable, number + place):
                    figure = measured(self.given, lambda: self.cell(cell, target))
                    say(line(number, figure))
                    yield figure | {"round": number}

    def cell(self, cell, target):
        if cell.kind == "idle":
            return self.idle(cell, target.name)
        if self.given.perf and target.enforces:
            return sampling.perf(self.given.perf, cell, target, lambda: self.runner.measure(cell, target))
        return self.runner.measure(cell, target)

    def instructions(self):
        """Counts instead of measuring."""
        names = [name for name in self.given.targets if name in cells.ENFORCING]
        folder = self.given.callgrind.absolute()
        folder.mkdir(parents=True, exist_ok=True)
        stage = self.stage(names, lambda command: sampling.under_callgrind(folder, command))
        try:
            self.runner.warm(stage.targets)
            for cell in self.given.cells:
                for target in filter(cell.applies, stage.targets):
                    figure = sampling.callgrind(folder, cell, target, self.runner)
                    count = f"{figure['instructions']:10.0f} instructions a transaction" if "error" not in figure else figure["error"]
                    print(f"{cell!s:20} {target.name:12} {count}", flush=True)
        finally:
            stage.stop()
            for rest in folder.glob("callgrind.out.*"):
                rest.unlink()

    def figures(self):
        try:
            say("loading")
            peers.prepare(self.cluster, self.secret)
            if self.given.callgrind:
                self.instructions()
                return
            stage = self.stage(self.given.targets)
            try:
                for note in stage.notes:
                    say(f"NOTE: {note}")
                yield from self.rounds(stage)
            finally:
                stage.stop()
        finally:
            self.cluster.stop()


def line(number, figure):
    head = f"round {number + 1} {figure['cell']:20} {figure['target']:12}"
    if "error" in figure:
        return f"{head} FAILED {figure['error']}"
    noisy = "" if report.quiet(figure) else " noisy"
    if "kb_fresh" in figure:
        return f"{head} {figure['kb_fresh']:.1f} kB a client, latency × {figure['latency_ratio']:.2f}{noisy}"
    return (f"{head} tps {figure['tps']:8.0f}  proxy {figure['proxy_us']:7.1f} µs  server {figure['server_us']:7.1f} µs"
            f"  strangers {figure['strangers']:.2f}{noisy}")


def fresh(given):
    """Runs everything: (what was run, figures). Saved after each figure, so that a stopped run is not lost."""
    meta = {
        "time": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), "machine": machine.describe(),
        "versions": peers.versions(), "rounds": given.rounds, "seconds": given.seconds,
    }
    figures = []
    with tempfile.TemporaryDirectory(prefix="pgcordon-bench-") as name:
        folder = pathlib.Path(name)
        # The server and PgBouncer run as another user.
        folder.chmod(0o755)
        for figure in Run(folder, given).figures():
            figures.append(figure)
            if given.json:
                given.json.write_text(json.dumps({"meta": meta, "figures": figures}))
    return meta, figures


def earlier(paths):
    """Figures of earlier runs; the rounds of different runs are different rounds."""
    metas, figures = [], []
    for place, path in enumerate(paths):
        saved = json.loads(path.read_text())
        metas.append(saved["meta"])
        figures += [figure | {"round": (place, figure["round"])} for figure in saved["figures"]]
    return metas[-1] | {"rounds": sum(meta["rounds"] for meta in metas)}, figures


def main():
    given = arguments()
    # So that `finally` runs, and nothing is left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))
    meta, figures = earlier(given.table) if given.table else fresh(given)
    if given.callgrind:
        return
    table = report.Table(figures)
    if given.write:
        here = pathlib.Path(__file__).parent
        (here / "results.md").write_text(report.document(table, meta))
        (here / "results.svg").write_text(picture.draw(table))
        say("written: results.md, results.svg")
    print(f"{meta['time']}, {meta['machine']}; {meta['versions']}; {meta['rounds']} rounds of {meta['seconds']} s\n")
    for part in (table.lines(), table.idle_lines(), table.goal_lines()):
        print("\n".join(part), end="\n\n")
    noisy, every = table.discarded()
    print(f"{noisy} of {every} cells were discarded: strangers used more than {cells.STRANGERS} core.")


if __name__ == "__main__":
    main()
