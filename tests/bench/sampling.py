"""Where the proxy's time goes: a profile of one cell, by perf, or by callgrind where figures must not depend on the machine.

In:  a cell and a target of pgcordon's; a folder for the reports.
Out: perf: `CELL-TARGET.perf.txt`, shares of functions by themselves, then with their callees. callgrind:
     `CELL-TARGET.callgrind.txt`, and instructions per transaction.

Invariants:
- Only what happens while pgbench runs is counted, so start-up and login do not show (under perf: hardly).
- callgrind counts instructions outside the kernel: the same on a busy machine, blind to system calls' own cost.
"""
import re
import shutil
import subprocess

from stage import program

TRANSACTIONS = 2000


def perf(folder, cell, target, measure):
    """Measures the cell while perf looks at the proxy's processes."""
    if not shutil.which("perf"):
        raise SystemExit("perf is missing (Debian: apt-get install linux-perf)")
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{cell}-{target.name}".replace(":", "-")
    data = folder / f"{name}.perf.data"
    # Release builds have no frame pointers, so stacks are copied and unwound later.
    command = ["perf", "record", "-q", "-F", "499", "-e", "cpu-clock", "--call-graph", "dwarf,8192", "-o", data]
    recorder = subprocess.Popen([*command, "-p", ",".join(map(str, target.pids))], stderr=subprocess.DEVNULL)
    try:
        figure = measure()
    finally:
        recorder.terminate()
        recorder.wait()
    parts = [
        ("by themselves", ["--no-children", "-g", "none", "--percent-limit", "0.4"]),
        ("with what they call", ["--children", "-g", "none", "--percent-limit", "2"]),
        ("by themselves, with callers", ["--no-children", "-g", "caller,0.5,callee,function,percent", "--percent-limit", "2", "--max-stack", "12"]),
    ]
    with open(folder / f"{name}.perf.txt", "w") as out:
        for title, options in parts:
            said = subprocess.run(
                ["perf", "report", "--stdio", "--no-inline", "-i", data, "--sort", "symbol", *options],
                capture_output=True, text=True,
            ).stdout
            out.write(f"=== {title}\n{_without_comments(said)}\n")
    data.unlink()
    return figure


def _without_comments(text):
    return "\n".join(line.rstrip() for line in text.splitlines() if line.strip() and not line.startswith("#"))


def callgrind(folder, cell, target, runner):
    """Instructions per transaction of a proxy that runs under valgrind."""
    (pid,) = target.pids
    # Caches filled first: what is wanted is the price of the next transaction.
    _pgbench(cell, target, runner, 20)
    _control("--zero", pid)
    count, error = _pgbench(cell, target, runner, TRANSACTIONS // cell.clients)
    if not count:
        return {"target": target.name, "cell": str(cell), "error": error}
    _control("--dump", pid)
    dumps = sorted(folder.glob(f"callgrind.out.{pid}*"), key=lambda path: path.stat().st_mtime)
    # A call that has not returned counts as `calls=0`, which callgrind_annotate would take for the caller's own work.
    dumps[-1].write_text(re.sub(r"^calls=0 ", "calls=1 ", dumps[-1].read_text(errors="replace"), flags=re.M))
    own, total = _annotated(dumps[-1], "--threshold=90")
    deep, _total = _annotated(dumps[-1], "--threshold=99", "--inclusive=yes")
    name = f"{cell}-{target.name}.callgrind.txt".replace(":", "-")
    (folder / name).write_text(f"{total / count:.0f} instructions a transaction\n=== by themselves\n{own}=== with what they call\n{deep}")
    for dump in dumps:
        dump.unlink()
    return {"target": target.name, "cell": str(cell), "instructions": total / count}


def _pgbench(cell, target, runner, each):
    command, env = runner.command(cell, target, ["-t", each])
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    found = re.search(r"actually processed: (\d+)", done.stdout)
    return (0, done.stderr.strip()[-300:]) if done.returncode or not found else (int(found.group(1)), "")


def _annotated(dump, *options):
    """(functions with their counts, sum)."""
    command = ["callgrind_annotate", "--auto=no", *options, dump]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    shares, total = {}, 0
    for line in said.splitlines():
        found = re.match(r"\s*([\d,]+) \(\s*([\d.]+)%\)\s+(.*)", line)
        if found and found.group(3) == "PROGRAM TOTALS":
            total = int(found.group(1).replace(",", ""))
        elif found and total:
            # Without the places of sources and libraries: `file:function [library]`.
            function = re.sub(r" \[[^\]]*\]$", "", found.group(3))
            name = re.sub(r"^[^: ]*:(?=[^:])", "", function)
            shares.setdefault(name, []).append(float(found.group(2)))
    # Inlined code stands under several sources: its own cost adds up, and what contains it counts once.
    merge = max if "--inclusive=yes" in options else sum
    merged = sorted(((merge(parts), name) for name, parts in shares.items()), reverse=True)
    return "".join(f"{share:6.2f} % {name}\n" for share, name in merged), total


def _control(what, pid):
    subprocess.run(["callgrind_control", what, str(pid)], check=True, capture_output=True)


def under_callgrind(folder, command):
    """The command as valgrind runs it."""
    if not shutil.which("valgrind"):
        raise SystemExit("valgrind is missing (Debian: apt-get install valgrind)")
    return ["valgrind", "--tool=callgrind", "--quiet", f"--callgrind-out-file={folder}/callgrind.out.%p", *command]
