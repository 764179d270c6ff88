"""CPU and memory of process trees and of the machine, from Linux' /proc.

In:  process ids of roots; a tree is a root with all its children.
Out: seconds of CPU, bytes of memory.

Invariants:
- User and system time both count, and that of children which were reaped.
- What nobody in the test used is `strangers`: a figure taken while they were busy is not to be trusted.
"""
import os

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def stat(pid):
    """(parent, own ticks, ticks of reaped children), or None when the process is gone."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            text = file.read()
    except OSError:
        return None
    # The name stands in parentheses and may hold blanks.
    fields = text[text.rindex(")") + 2 :].split()
    return int(fields[1]), int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])


def tree(roots):
    """Process ids of the roots and all that descend from them."""
    children = {}
    for name in os.listdir("/proc") if roots else []:
        if name.isdigit() and (found := stat(int(name))):
            children.setdefault(found[0], []).append(int(name))
    members, todo = [], list(roots)
    while todo:
        pid = todo.pop()
        members.append(pid)
        todo += children.get(pid, [])
    return members


def cpu(roots):
    """Seconds of CPU that the trees have used."""
    return sum(found[1] + found[2] for pid in tree(roots) if (found := stat(pid))) / TICK


def rss(roots):
    """Bytes of resident memory."""
    total = 0
    for pid in tree(roots):
        try:
            with open(f"/proc/{pid}/statm") as file:
                total += int(file.read().split()[1]) * PAGE
        except OSError:
            pass
    return total


def busy():
    """Seconds of CPU that the whole machine has used, and those that its host took away."""
    with open("/proc/stat") as file:
        ticks = [int(word) for word in file.readline().split()[1:]]
    user, nice, system, _idle, _wait, irq, softirq, steal = ticks[:8]
    return (user + nice + system + irq + softirq) / TICK, steal / TICK


def describe():
    """One line about the machine."""
    model = "unknown processor"
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return f"{os.cpu_count()} × {model}, Linux {os.uname().release}"
