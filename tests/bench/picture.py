"""Draws the main figures as an SVG, with nothing but text.

In:  a report.Table.
Out: grouped bars: one panel a figure, one group a cell, one bar a target.

Invariants:
- Every panel starts at zero.
- A figure without a quiet round is drawn pale.
"""
from html import escape

PANELS = [
    ("Proxy CPU, µs per transaction (pgbench -S, 8 clients)", "proxy_us", ["select:simple:8", "select:extended:8", "select:prepared:8"]),
    ("Transactions per second (pgbench -S, 8 clients)", "tps", ["select:simple:8", "select:extended:8", "select:prepared:8"]),
    ("Transactions per second against today's practice: a tenant set in each transaction", "tps", ["settx:simple:8", "settx1:simple:8"]),
]
# pgcordon stands out; the others are greys and blues.
COLOURS = {
    "pgcordon-tx": "#c2410c", "pgcordon-s": "#f59e0b", "pgb-tx": "#1e3a8a", "pgb-s": "#60a5fa", "pgb-rls": "#475569",
    "direct": "#d1d5db", "rls": "#9ca3af",
}
SPARE = ["#047857", "#7e22ce", "#be185d", "#0e7490"]
WIDTH, LEFT, BAR, GAP, GROUP_GAP, TOP = 860, 150, 16, 2, 14, 34


def draw(table):
    """The SVG's text; panels without figures are left out."""
    parts, y = [], 10
    for title, key, names in PANELS:
        groups = [(cell, _bars(table, cell, key)) for cell in names]
        groups = [(cell, bars) for cell, bars in groups if bars]
        if groups:
            panel, height = _panel(title, groups, y)
            parts += panel
            y += height
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" font-family="sans-serif" font-size="12">'
    return "\n".join([head, f'<rect width="{WIDTH}" height="{y}" fill="#ffffff"/>', *parts, "</svg>", ""])


def _bars(table, cell, key):
    """(target, value, quiet) of all targets that have such a figure."""
    found = [(target, table.value(cell, target, key), table.usable(cell, target)[1]) for target in table.targets]
    return [bar for bar in found if bar[1]]


def _panel(title, groups, y):
    highest = max(value for _, bars in groups for _, value, _ in bars)
    parts, at = [_text(10, y + 16, title, weight="bold")], y + TOP
    for cell, bars in groups:
        parts.append(_text(10, at + 13, cell))
        for target, value, calm in bars:
            length = max(value / highest * (WIDTH - LEFT - 160), 1)
            parts.append(f'<rect x="{LEFT}" y="{at}" width="{length:.1f}" height="{BAR}" fill="{_colour(target)}" opacity="{1 if calm else 0.35}"/>')
            parts.append(_text(LEFT + length + 6, at + 13, f"{value:,.0f}  {target}" if value >= 1000 else f"{value:.1f}  {target}"))
            at += BAR + GAP
        at += GROUP_GAP
    return parts, at - y + 10


def _colour(target):
    return COLOURS.get(target) or SPARE[sum(target.encode()) % len(SPARE)]


def _text(x, y, text, weight="normal"):
    return f'<text x="{x:.1f}" y="{y:.1f}" font-weight="{weight}" fill="#111827">{escape(text)}</text>'
