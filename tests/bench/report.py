"""Medians and ratios of measured cells, as text.

In:  the figures of all rounds, as cells.py and idle.py made them.
Out: Markdown.

Invariants:
- A ratio is taken between two figures of the same round, then the median over the rounds.
- A cell measured while strangers were busy does not count; where none other is left it is shown with `~`.
"""
import statistics

import cells

# Who is compared with whom: PgBouncer in the same pool mode; without its prepared statements there, in session mode.
RIVALS = {"pgcordon-s": ("pgb-s",), "pgcordon-tx": ("pgb-tx", "pgb-s")}

# What is to be seen: (words, cell, figure, `at most` or `at least`, bound). Ratios are to the rival's figure.
GOALS = [
    *((f"proxy CPU, {mode}", f"select:{mode}:{clients}", "proxy_us", "≤", bound)
      for mode, bound in (("prepared", 1.15), ("extended", 1.25), ("simple", 1.5)) for clients in (8, 32)),
    *((f"TPS, {mode}", f"select:{mode}:{clients}", "tps", "≥", 1.0)
      for mode in ("prepared", "extended", "simple") for clients in (8, 32)),
    ("TPS, for BEGIN, set_config, query, COMMIT", "settx:simple:8", "tps", "≥", 2.0),
    ("TPS, for the same in one message", "settx1:simple:8", "tps", "≥", 1.1),
    ("proxy CPU, 10,000 rows × 100 bytes", "wide:simple:1", "proxy_us", "≤", 0.5),
    ("proxy CPU, TLS", "tls:simple:8", "proxy_us", "≤", 1.2),
    ("proxy CPU, a new connection each time", "churn:simple:4", "proxy_us", "≤", None),
    ("proxy CPU, the same with TLS", "churntls:simple:4", "proxy_us", "≤", None),
]
IDLE_KB, IDLE_LATENCY = 12, 1.1


def median(values):
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def quiet(figure):
    return "error" not in figure and figure["strangers"] <= cells.STRANGERS


class Table:
    """Figures by cell and target."""

    def __init__(self, figures):
        self.by, self.idle = {}, {}
        for figure in figures:
            into = self.idle if figure["cell"].startswith("idle") else self.by
            into.setdefault((figure["cell"], figure["target"]), []).append(figure)
        self.cells = list(dict.fromkeys(cell for cell, _ in self.by))
        self.targets = list(dict.fromkeys(target for _, target in self.by))

    def usable(self, cell, target):
        """(figures, whether they were taken in quiet)."""
        measured = self.by.get((cell, target)) or self.idle.get((cell, target), [])
        measured = [figure for figure in measured if "error" not in figure]
        calm = [figure for figure in measured if quiet(figure)]
        return (calm, True) if calm else (measured, False)

    def value(self, cell, target, key):
        return median(figure.get(key) for figure in self.usable(cell, target)[0])

    def ratio(self, cell, target, rival, key):
        """Median of target ÷ rival in the same round, and whether the figures were taken in quiet."""
        (ours, calm), (theirs, still) = self.usable(cell, target), self.usable(cell, rival)
        theirs = {figure["round"]: figure[key] for figure in theirs}
        pairs = [figure[key] / theirs[figure["round"]] for figure in ours if theirs.get(figure["round"])]
        if pairs:
            return median(pairs), calm and still
        # No round in which both were quiet: the medians' ratio, marked.
        mine, other = self.value(cell, target, key), median(theirs.values())
        return (mine / other if mine and other else None), False

    def rival(self, cell, target):
        against = cells.KINDS[cell.split(":")[0]].against
        for rival in [against] if against and target in RIVALS else RIVALS.get(target, ()):
            if self.usable(cell, rival)[0]:
                return rival
        return None

    def discarded(self):
        every = [figure for by in (self.by, self.idle) for figures in by.values() for figure in figures if "error" not in figure]
        return len([figure for figure in every if not quiet(figure)]), len(every)

    # --- tables

    def lines(self):
        """One line a cell and target."""
        yield "| cell | target | n | TPS | ms | proxy µs | server µs | client µs | RSS MB | ÷ rival: TPS | proxy CPU | rival | strangers |"
        yield "|---|---|---|---|---|---|---|---|---|---|---|---|---|"
        for cell in self.cells:
            for target in self.targets:
                if (cell, target) in self.by:
                    yield self._line(cell, target)

    def _line(self, cell, target):
        figures, calm = self.usable(cell, target)
        if not figures:
            return failed(cell, target, self.by)
        rival = self.rival(cell, target)
        tps, cpu = "", ""
        if rival:
            tps, cpu = (show(*self.ratio(cell, target, rival, key)) for key in ("tps", "proxy_us"))
        shown = [number(self.value(cell, target, key)) for key in ("tps", "latency_ms", "proxy_us", "server_us", "client_us", "rss_mb")]
        strangers = f"{self.value(cell, target, 'strangers'):.2f}{'' if calm else ' ~'}"
        return f"| {cell} | {target} | {len(figures)} | {' | '.join(shown)} | {tps} | {cpu} | {rival or ''} | {strangers} |"

    def idle_lines(self):
        """Memory of clients that do nothing."""
        if not self.idle:
            return
        yield "| cell | target | n | base MB | kB per client, after login | after a query | ms to connect | latency of another ÷ without | strangers |"
        yield "|---|---|---|---|---|---|---|---|---|"
        for cell, target in self.idle:
            figures, calm = self.usable(cell, target)
            if not figures:
                yield failed(cell, target, self.idle)
                continue
            keys = ("base_mb", "kb_fresh", "kb_used", "connect_ms", "latency_ratio", "strangers")
            shown = " | ".join(number(self.value(cell, target, key)) for key in keys)
            yield f"| {cell} | {target} | {len(figures)} | {shown}{'' if calm else ' ~'} |"

    def goal_lines(self):
        """What was to be seen, and what was."""
        rows = [row for goal in GOALS for row in self._goal(*goal)] + list(self._idle_goals())
        if rows:
            yield "| what, as a ratio | cell | pgcordon | rival | wanted | measured | |"
            yield "|---|---|---|---|---|---|---|"
            yield from rows

    def _goal(self, words, cell, key, relation, bound):
        for target in RIVALS:
            if not self.usable(cell, target)[0]:
                continue
            rival = self.rival(cell, target)
            mode = target[target.rindex("-"):]
            others = [other for other in self.targets if other.endswith(mode) and other not in RIVALS and other != rival]
            # Every peer is to be reached in TPS; CPU is compared with PgBouncer's.
            for rival in [rival, *(others if key == "tps" and "settx" not in cell else [])]:
                if rival and self.usable(cell, rival)[0]:
                    ratio, calm = self.ratio(cell, target, rival, key)
                    # Session mode costs a pooler less: only like is held against like.
                    wanted = bound if rival.endswith(("-rls", mode)) else None
                    yield goal(words, cell, target, rival, relation, wanted, ratio, calm)

    def _idle_goals(self):
        for cell, target in self.idle:
            figures, calm = self.usable(cell, target)
            if figures and target in RIVALS:
                kb, latency = (self.value(cell, target, key) for key in ("kb_fresh", "latency_ratio"))
                yield goal("kB of RSS per idle client", cell, target, "", "≤", IDLE_KB, kb, calm)
                yield goal("latency of another client ÷ without them", cell, target, "", "≤", IDLE_LATENCY, latency, calm)


def goal(words, cell, target, rival, relation, bound, measured, calm):
    met = ""
    if bound is not None and measured is not None:
        met = "yes" if (measured <= bound if relation == "≤" else measured >= bound) else "**no**"
    wanted = f"{relation} {bound}" if bound is not None else ""
    return f"| {words} | {cell} | {target} | {rival} | {wanted} | {show(measured, calm)} | {met} |"


def failed(cell, target, by):
    return f"| {cell} | {target} | 0 | failed: {by[cell, target][0]['error'].replace('|', '/')} |"


def number(value):
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 1000 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def show(ratio, calm):
    if ratio is None:
        return "-"
    return f"{ratio:.2f}{'' if calm else ' ~'}"


METHOD = """\
- PostgreSQL: shared_buffers 512 MB, fsync, jit and autovacuum off; pgbench at scale 10, all of it in memory, `-j 1`.
  Client, proxy and server share the machine, so **TPS is total CPU cost seen another way**. Loopback TCP; SCRAM everywhere.
- pgcordon's policy is in force on every table: a tenant sees the rows of one branch (`bid = {user.bid}`), and TPC-B-like
  transactions are made by staff with a list of branches (`bid = ANY({user.bids})`). PgBouncer and `direct` enforce nothing.
  `rls` is native row security with the same conditions, the tenant fixed at login; `pgb-rls` has PgBouncer in transaction
  mode in front of it, and the tenant is set in each transaction.
- `proxy µs`, `server µs`, `client µs`: user and system time of the process tree per transaction, from /proc/PID/stat.
- Rounds are interleaved: each cell is run on all targets one after another, in an order that turns from round to round.
  Ratios are taken within a round; shown is their median.
- A cell during which processes outside the test used more than 0.3 core was run again, then discarded. `~` marks figures
  for which no quiet round was had: noise, not evidence.
"""


def document(table, meta):
    """results.md."""
    noisy, every = table.discarded()
    return "\n".join([
        "# Measured", "",
        f"{meta['time']}, {meta['machine']}; {meta['versions']}.",
        f"{meta['rounds']} rounds of {meta['seconds']} s a cell; {noisy} of {every} cells discarded. Again: `sh tests/bench/run.sh --write`.",
        "", "![Proxy CPU and TPS](results.svg)", "", "## What was to be seen", "", *table.goal_lines(),
        "", "## Method", "", METHOD, "## All cells", "", *table.lines(), "", "## Idle clients", "", *table.idle_lines(), "",
    ])
