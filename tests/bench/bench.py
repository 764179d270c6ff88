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
import machine
import peers
import report
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


def measured(runner, cell, target, given):
    """A quiet figure, or the last one."""
    for _ in range(given.retries + 1):
        figure = runner.measure(cell, target)
        if report.quiet(figure):
            break
    return figure


def rounds(runner, targets, given):
    figures = []
    for number in range(given.rounds):
        for place, cell in enumerate(given.cells):
            applicable = [target for target in targets if cell.applies(target)]
            for target in turned(applicable, number + place):
                figure = measured(runner, cell, target, given) | {"round": number}
                figures.append(figure)
                say(line(number, figure))
                if given.json:
                    given.json.write_text(json.dumps(figures))
    return figures


def line(number, figure):
    head = f"round {number + 1} {figure['cell']:20} {figure['target']:12}"
    if "error" in figure:
        return f"{head} FAILED {figure['error']}"
    noisy = "" if report.quiet(figure) else " noisy"
    return (f"{head} tps {figure['tps']:8.0f}  proxy {figure['proxy_us']:7.1f} µs  server {figure['server_us']:7.1f} µs"
            f"  strangers {figure['strangers']:.2f}{noisy}")


def run(folder, given):
    secret, tls = verifier(peers.PASSWORD), certificate(folder)
    data = folder / "cluster"
    data.mkdir()
    cluster = Cluster(data, hba="scram-sha-256", tls=tls)
    try:
        say("loading")
        peers.prepare(cluster, secret)
        stage = peers.Stage(folder, cluster, secret, tls, given.targets, given.peer)
        try:
            for note in stage.notes:
                say(f"NOTE: {note}")
            runner = cells.Runner(folder, cluster, peers.PASSWORD, given.seconds)
            runner.warm(stage.targets)
            return rounds(runner, stage.targets, given)
        finally:
            stage.stop()
    finally:
        cluster.stop()


def main():
    given = arguments()
    # So that `finally` runs, and nothing is left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))
    started = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    with tempfile.TemporaryDirectory(prefix="pgcordon-bench-") as name:
        folder = pathlib.Path(name)
        # The server and PgBouncer run as another user.
        folder.chmod(0o755)
        table = report.Table(run(folder, given))
    print(f"{started}, {machine.describe()}, {given.rounds} rounds of {given.seconds} s\n")
    print("\n".join(table.lines()))
    noisy, every = table.discarded()
    print(f"\n{noisy} of {every} cells were discarded: strangers used more than {cells.STRANGERS} core.")


if __name__ == "__main__":
    main()
