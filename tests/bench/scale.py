#!/usr/bin/env python3
"""What policies and catalogs of growing size cost: load time, memory, cost per statement.

    cargo build --release --workspace --example scale && python3 tests/bench/scale.py

In:  target/release/examples/scale, or the path in SCALE; valgrind, for `--count`.
Out: a Markdown table. Times are the least of five runs. With `--count` a statement's cost is in instructions, which a busy
     machine does not change: the difference of two runs under callgrind, divided by the statements between them.
"""
import os
import pathlib
import re
import subprocess
import sys

SCALE = os.environ.get("SCALE", str(pathlib.Path(__file__).parents[2] / "target/release/examples/scale"))
SIZES = [(10, 10, 100), (1_000, 10, 100), (10_000, 10, 100), (10, 10_000, 100), (10, 10, 10_000), (10_000, 10_000, 10_000)]
STATEMENTS = ["point", "join", "update", "catalog"]
# Statements of one run of the binary without a phase.
REPEATED = 200


def run(size):
    out = subprocess.run([SCALE, *map(str, size)], check=True, capture_output=True, text=True).stdout
    return {phase: (int(micros), int(kilobytes)) for phase, micros, kilobytes in (line.split() for line in out.splitlines())}


def instructions(size, phase, times):
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", SCALE, *map(str, size), phase, str(times)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    return int(re.search(r"Collected : (\d+)", text)[1])


def cost(size, phase):
    few, many = (1, 4) if phase == "catalog" else (10, 60)
    return (instructions(size, phase, many) - instructions(size, phase, few)) / (many - few)


def main():
    count = "--count" in sys.argv
    unit = "instructions" if count else "µs"
    print("| rules | users | relations | load | bind | memory | " + " | ".join(f"{one}, {unit}" for one in STATEMENTS) + " |")
    print("|---" * (6 + len(STATEMENTS)) + "|")
    for size in SIZES:
        runs = [run(size) for _ in range(5)]
        least = {phase: min(one[phase][0] for one in runs) for phase in runs[0]}
        memory = sum(runs[0][phase][1] for phase in ("load", "snapshot", "bind")) / 1024
        if count:
            statements = [f"{cost(size, phase):,.0f}" for phase in STATEMENTS]
        else:
            statements = [f"{least[phase] / REPEATED:,.1f}" for phase in STATEMENTS]
        cells = [*(f"{number:,}" for number in size), f"{least['load'] / 1000:,.1f} ms", f"{least['bind'] / 1000:,.1f} ms",
                 f"{memory:,.1f} MB", *statements]
        print("| " + " | ".join(cells) + " |", flush=True)


main()
