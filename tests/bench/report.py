"""Medians and ratios of measured cells, as text.

In:  the cells' figures of all rounds.
Out: Markdown tables.

Invariants:
- A ratio is taken between two figures of the same round, then the median over the rounds.
- A cell measured while strangers were busy does not count; where none other is left it is shown with `~`.
"""
import statistics

import cells

# Who is compared with whom: PgBouncer in the same pool mode; without its prepared statements there, in session mode.
RIVALS = {"pgcordon-s": ("pgb-s",), "pgcordon-tx": ("pgb-tx", "pgb-s")}


def median(values):
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def quiet(figure):
    return "error" not in figure and figure["strangers"] <= cells.STRANGERS


class Table:
    """Figures by cell and target."""

    def __init__(self, figures):
        self.by = {}
        for figure in figures:
            self.by.setdefault((figure["cell"], figure["target"]), []).append(figure)
        self.cells = list(dict.fromkeys(cell for cell, _ in self.by))
        self.targets = list(dict.fromkeys(target for _, target in self.by))

    def usable(self, cell, target):
        """(figures, whether they were taken in quiet)."""
        measured = [figure for figure in self.by.get((cell, target), []) if "error" not in figure]
        calm = [figure for figure in measured if quiet(figure)]
        return (calm, True) if calm else (measured, False)

    def value(self, cell, target, key):
        return median(figure[key] for figure in self.usable(cell, target)[0])

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
        for rival in [against] if against else RIVALS.get(target, ()):
            if self.usable(cell, rival)[0]:
                return rival
        return None

    def discarded(self):
        every = [figure for figures in self.by.values() for figure in figures if "error" not in figure]
        return len([figure for figure in every if not quiet(figure)]), len(every)

    def lines(self):
        """One line a cell and target."""
        yield "| cell | target | n | TPS | proxy µs | server µs | client µs | RSS MB | ÷ rival: TPS | CPU | rival | strangers |"
        yield "|---|---|---|---|---|---|---|---|---|---|---|---|"
        for cell in self.cells:
            for target in self.targets:
                if (cell, target) in self.by:
                    yield self._line(cell, target)

    def _line(self, cell, target):
        figures, calm = self.usable(cell, target)
        if not figures:
            return f"| {cell} | {target} | 0 | failed: {self.by[cell, target][0]['error'].replace('|', '/')} |"
        rival = self.rival(cell, target)
        tps, cpu = "", ""
        if rival and rival != target:
            tps, cpu = (show(*self.ratio(cell, target, rival, key)) for key in ("tps", "proxy_us"))
        shown = [number(self.value(cell, target, key)) for key in ("tps", "proxy_us", "server_us", "client_us", "rss_mb")]
        strangers = f"{self.value(cell, target, 'strangers'):.2f}{'' if calm else ' ~'}"
        return f"| {cell} | {target} | {len(figures)} | {' | '.join(shown)} | {tps} | {cpu} | {rival or ''} | {strangers} |"


def number(value):
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 1000 else f"{value:.1f}"


def show(ratio, calm):
    if ratio is None:
        return "-"
    return f"{ratio:.2f}{'' if calm else ' ~'}"
