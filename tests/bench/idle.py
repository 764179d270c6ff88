"""What a connection costs that does nothing: memory, and the time that others lose by it.

In:  a cell such as `idle:simple:5000`, a target of a proxy that was started for this alone.
Out: kB of resident memory per client (after login, after a query), and a further client's latency with ÷ without them.

Invariants:
- The proxy is fresh: memory that its allocator kept from earlier clients would hide what a client costs.
- The latency without is measured before and after, so that drift does not count.
"""
import resource
import time

import cells
import machine
import wire


def measure(cell, target, runner):
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    result = {"target": target.name, "cell": str(cell)}
    before = _latency(target, runner)
    base, clients = machine.rss(target.pids), []
    try:
        started = time.monotonic()
        for _ in range(cell.clients):
            clients.append(wire.Connection(target.port, "bench", runner.password, "bench"))
        result["connect_ms"] = (time.monotonic() - started) * 1000 / cell.clients
        time.sleep(1)
        result["kb_fresh"] = (machine.rss(target.pids) - base) / 1024 / cell.clients
        during = _latency(target, runner)
        if target.shares:
            for client in clients:
                client.query("SELECT 1")
            time.sleep(1)
            result["kb_used"] = (machine.rss(target.pids) - base) / 1024 / cell.clients
    except (OSError, wire.ServerError) as error:
        return result | {"error": f"at connection {len(clients)}: {error}"}
    finally:
        for client in clients:
            client.close(politely=False)
    time.sleep(1)
    after = _latency(target, runner)
    if any("error" in figure for figure in (before, during, after)):
        return result | {"error": next(figure["error"] for figure in (before, during, after) if "error" in figure)}
    apart = (before["latency_ms"] + after["latency_ms"]) / 2
    strangers = max(figure["strangers"] for figure in (before, during, after))
    return result | {
        "base_mb": base / 1e6, "latency_ratio": during["latency_ms"] / apart, "latency_ms": during["latency_ms"],
        "strangers": strangers,
    }


def _latency(target, runner):
    return runner.measure(cells.Cell("select", "simple", 1), target)
