"""Plots as inline SVG whose places are percentages: they take the width there is, and their text keeps its size."""

from collections.abc import Iterator, Sequence
from html import escape
from math import ceil, floor, log2

from sevenloops.bench.results import OURS, Results, Row

__all__ = ["grouped", "legend", "rates_plot", "ratio_plot"]

_CLASSES = ("first", "second", "third")
_HEIGHT = 24
_LABELS = 20


def grouped(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return the rows by their layer, in the order in which the layers come first."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.label, []).append(row)
    return groups


def _mark(kind: int, place: float, y: int, title: str, *, hollow: bool = False) -> str:
    """Return a circle, a square or a diamond at a percentage of the width; hollow ones are the peers'."""
    css = f'class="{_CLASSES[kind % 3]}{" hollow" if hollow else ""}"'
    name = f"<title>{escape(title)}</title>"
    if kind % 3 == 0:
        return f'<circle {css} cx="{place:.2f}%" cy="{y}" r="5">{name}</circle>'
    turn = ' transform="rotate(45)"' if kind % 3 == 2 else ""
    return (
        f'<svg x="{place:.2f}%" y="{y}" overflow="visible">'
        f'<rect {css} x="-4.5" y="-4.5" width="9" height="9"{turn}>{name}</rect></svg>'
    )


def legend(directions: Sequence[str], peers: str = "") -> str:
    """Return what the marks mean."""
    items = []
    for kind, direction in enumerate(directions):
        items.append(f'<span><svg class="key">{_mark(kind, 50, 7, direction)}</svg> {escape(direction)}</span>')
    if peers:
        ours, theirs = _mark(0, 50, 7, "ours"), _mark(0, 50, 7, "theirs", hollow=True)
        items.append(f"<span><svg>{ours}</svg> ours <svg>{theirs}</svg> {escape(peers)}</span>")
    return f'<div class="legend">{"".join(items)}</div>'


def _lines(places: Sequence[float], even: float | None) -> str:
    """Return the grid behind the marks of one layer, and the line that matters."""
    grid = "".join(f'<line class="grid" x1="{p:.2f}%" x2="{p:.2f}%" y1="0" y2="{_HEIGHT}"/>' for p in places)
    if even is not None:
        grid += f'<line class="even" x1="{even:.2f}%" x2="{even:.2f}%" y1="0" y2="{_HEIGHT}"/>'
    return grid


def _axis(ticks: Sequence[tuple[float, str]]) -> str:
    """Return the row of numbers above a plot."""
    texts = "".join(
        f'<text x="{place:.2f}%" y="13" text-anchor="{"start" if place < 2 else "end" if place > 98 else "middle"}">'
        f"{escape(text)}</text>"
        for place, text in ticks
    )
    return f'<div class="bar"><div class="label"></div><svg width="100%" height="{_LABELS}">{texts}</svg></div>'


def _row(label: str, content: str) -> str:
    return (
        f'<div class="bar"><div class="label">{escape(label)}</div>'
        f'<svg width="100%" height="{_HEIGHT}" role="img" aria-label="{escape(label)}">{content}</svg></div>'
    )


def ratio_plot(results: Results, rows: Sequence[Row], peer: str, directions: Sequence[str]) -> str:
    """Return our time over the peer's, on a logarithmic axis: one line per layer, a mark per pass."""
    ratios = [ratio for row in rows if (ratio := row.ratio(peer))]
    if not ratios:
        return ""
    low, high = min(-1, floor(log2(min(ratios)))), max(1, ceil(log2(max(ratios))))

    def place(ratio: float) -> float:
        return 2 + 96 * (log2(ratio) - low) / (high - low)

    powers = list(range(low, high + 1))
    if len(powers) > 7:  # a phone has room for so many
        powers = [power for power in powers if power % 2 == 0]
    ticks = [(place(2.0**power), f"{2**power}" if power >= 0 else f"1/{2**-power}") for power in powers]
    lines = _lines([p for p, _ in ticks], place(1))
    body = [_axis(ticks)]
    for label, group in grouped(rows).items():
        marks = [
            _mark(directions.index(row.direction), place(ratio), _HEIGHT // 2, f"{row.direction}: {ratio:.2f}")
            for row in group
            if (ratio := row.ratio(peer))
        ]
        body.append(_row(label, lines + "".join(marks)))
    return f'<div class="plot">{"".join(body)}</div>'


def rates_plot(results: Results, rows: Sequence[Row], peer: str | None, directions: Sequence[str]) -> str:
    """Return operations a second, ours and the peer's, up to the machine's peak or beyond."""
    who = [OURS, *([peer] if peer else [])]
    rates = [rate for row in rows for name in who if (rate := row.gflops(name))]
    if not rates:
        return ""
    peak = results.peak.gflops if results.peak else max(rates)
    step = next(s for s in _steps() if max(*rates, peak) / s <= 6)
    top = step * ceil(max(*rates, peak) / step)
    ticks = [(2 + 96 * count * step / top, f"{count * step:g}") for count in range(round(top / step) + 1)]
    lines = _lines([p for p, _ in ticks], 2 + 96 * peak / top if results.peak else None)
    body = [_axis(ticks)]
    for label, group in grouped(rows).items():
        marks = []
        for name in reversed(who):  # ours above theirs
            for row in group:
                if rate := row.gflops(name):
                    kind, title = directions.index(row.direction), f"{name}, {row.direction}: {rate:.0f} GFLOP/s"
                    marks.append(_mark(kind, 2 + 96 * rate / top, _HEIGHT // 2, title, hollow=name != OURS))
        body.append(_row(label, lines + "".join(marks)))
    return f'<div class="plot">{"".join(body)}</div>'


def _steps() -> Iterator[float]:
    """Yield 1, 2, 5, 10, 20, 50 and so on."""
    power = 1.0
    while True:
        yield from (power, 2 * power, 5 * power)
        power *= 10
