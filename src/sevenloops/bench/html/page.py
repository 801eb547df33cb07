"""The page: what it amounts to, the plots, every figure."""

from collections.abc import Iterable, Iterator
from html import escape

from sevenloops.bench.contestants import CONTESTANTS
from sevenloops.bench.html.plots import legend, rates_plot, ratio_plot
from sevenloops.bench.html.style import STYLE
from sevenloops.bench.results import OURS, Entry, Results, Row, Summary, summarise
from sevenloops.bench.table import disturbances, epochs, how, losing_first, refusals, size

__all__ = ["as_html"]


def as_html(results: Results) -> str:
    """Return the report as a page of its own: no script, no file beside it, nothing from the network."""
    title = f"sevenloops bench {results.benchmark}, suite {results.suite}"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body><main>\n"
        f"<h1>{escape(title)}</h1>\n{''.join(_body(results))}</main></body></html>\n"
    )


def _body(results: Results) -> Iterator[str]:
    yield from _heading(results)
    directions = list(dict.fromkeys(row.direction for row in results.rows))
    peers: list[str | None] = [*results.peers]
    for peer in peers or [None]:
        rows = losing_first(results.rows, peer)
        if not rows:
            continue
        name = _title(peer) if peer else ""
        here = [direction for direction in directions if any(row.direction == direction for row in rows)]
        if peer:
            yield f"<h2>Our time over that of {escape(name)}</h2>\n"
            yield f"<p class=soft>Left of 1 we are faster. Medians of all runs, {how(results, peer)}.</p>\n"
            yield f"{legend(here)}{ratio_plot(results, rows, peer, directions)}\n"
        yield "<h2>GFLOP/s</h2>\n<p class=soft>Operations by definition a second"
        yield f"; the line is the peak, {escape(str(results.peak))}. " if results.peak else ". "
        yield "Winograd and FFT need fewer operations than the definition, and may pass it.</p>\n"
        yield f"{legend(here, name)}{rates_plot(results, rows, peer, directions)}\n"
        yield f"<h2>All figures{' against ' + escape(name) if peer else ''}, losing cases first</h2>\n"
        yield _table(results, rows, peer)
    yield _every_entry(results)


def _title(name: str) -> str:
    return CONTESTANTS[name].title if name in CONTESTANTS else name


def _heading(results: Results) -> Iterator[str]:
    machine = results.machine
    versions = [f"Python {machine['python']}", f"NumPy {machine['numpy']}"]
    versions += [f"{_title(name)} {about.get('version', '')}" for name, about in results.contestants.items()]
    yield f"<p>{escape(machine['cpu'])}, {escape(machine['system'])}, {machine['threads']} thread(s), float32. "
    yield f"{escape(', '.join(versions))}. Each library runs in a process of its own; they take turns, and every "
    yield "result is compared with float64 before anything is timed.</p>\n"
    if results.interrupted:
        yield "<p class=alert>The run was stopped by Ctrl-C: this is a part of it.</p>\n"
    for sentence in (*results.missing, *refusals(results), *disturbances(results)):
        yield f"<p class=alert>{escape(sentence)}</p>\n"
    if failures := [sentence for row in results.rows for sentence in row.failures]:
        yield f"<details{' open' * (len(failures) < 6)}><summary class=lose>Failures: {len(failures)}</summary>"
        yield "".join(f"<p class=alert>{escape(sentence)}</p>" for sentence in failures) + "</details>\n"
    for sentence in epochs(results):
        yield f"<p>{escape(sentence)}.</p>\n"
    cards = [_card(summary) for summary in summarise(results)]
    if cards:
        yield f"<div class=cards>{''.join(cards)}</div>\n"


def _card(summary: Summary) -> str:
    css = "win" if summary.mean <= 1 else "lose"
    return (
        f"<div class=card>{escape(summary.direction)}, against {escape(_title(summary.peer))}"
        f"<b class={css}>{summary.mean:.2f}×</b><span class=soft>our time over theirs, geometric mean "
        f"of {summary.count}; {summary.lost} lost; worst {summary.worst:.2f} "
        f"({escape(summary.worst_label)})</span></div>"
    )


def _table(results: Results, rows: Iterable[Row], peer: str | None) -> str:
    head = ["ratio"] * bool(peer) + ["layer", "pass", "ours, ms"] + ["theirs, ms"] * bool(peer)
    head += ["GFLOP/s", "of peak", "workspace", "largest error", "algorithm"]
    body = "".join(_line(results, row, peer) for row in rows)
    names = "".join(f"<th{_words(name)}>{name}</th>" for name in head)
    return f"<div class=scroll><table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table></div>\n"


def _words(name: str) -> str:
    return " class=words" if name in ("layer", "pass", "algorithm", "who", "how", "outcome") else ""


def _line(results: Results, row: Row, peer: str | None) -> str:
    ours, gflops = row.best(OURS), row.gflops(OURS)
    cells = []
    if peer:
        ratio = row.ratio(peer)
        css = "" if ratio is None else " class=win" if ratio <= 1 else " class=lose"
        shown = "-" if ratio is None else f"{ratio:.2f}{'?' * row.is_disturbed}"
        cells.append(f"<td{css}>{shown}</td>")
    cells += [f'<td class="words mono">{escape(row.label)}</td>', f"<td class=words>{escape(row.direction)}</td>"]
    cells.append(_time(ours))
    if peer:
        cells.append(_time(row.best(peer)))
    notes = ours.notes if ours else {}
    cells.append(f"<td>{gflops:.1f}</td>" if gflops else "<td>-</td>")
    cells.append(f"<td>{gflops / results.peak.gflops:.0%}</td>" if gflops and results.peak else "<td>-</td>")
    cells.append(f"<td>{size(notes['workspace'])}</td>" if "workspace" in notes else "<td>-</td>")
    cells.append("<td>-</td>" if ours is None or ours.error is None else f"<td>{ours.error:.1e}</td>")
    cells.append(f"<td class=words>{escape(str(notes.get('algorithm', '-')))}</td>")
    return f"<tr>{''.join(cells)}</tr>"


def _time(entry: Entry | None) -> str:
    """Return a cell with the median, and below it the quartiles and the variant."""
    if entry is None or entry.timing is None:
        return "<td>-</td>"
    low, median, high = (1e3 * value for value in (entry.timing.low, entry.timing.median, entry.timing.high))
    return f"<td>{median:.3f}<small>{low:.3f} to {high:.3f}, {escape(entry.variant)}</small></td>"


def _every_entry(results: Results) -> str:
    """Return all variants of all contestants, folded away."""
    lines = []
    for row in results.rows:
        for entry in row.entries:
            runs = str(entry.timing.runs) if entry.timing else "-"
            error = "-" if entry.error is None else f"{entry.error:.1e}"
            lines.append(
                f'<tr><td class="words mono">{escape(row.label)}</td><td class=words>{escape(row.direction)}</td>'
                f"<td class=words>{escape(_title(entry.contestant))}</td>{_time(entry)}"
                f"<td>{runs}</td><td>{error}</td>"
                f"<td class=words>{escape(entry.failure or entry.refusal or 'right')}</td></tr>"
            )
    if not lines:
        return ""
    names = ("layer", "pass", "who", "ms", "runs", "largest error", "outcome")
    head = "".join(f"<th{_words(name)}>{name}</th>" for name in names)
    return (
        f"<details><summary>Every contestant in every memory order ({len(lines)})</summary>"
        f"<div class=scroll><table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
        "</details>\n"
    )
