"""Results as plain text: for each peer a table, losing cases first, and what it amounts to. At most 120 columns."""

from collections.abc import Iterator, Sequence
from textwrap import fill

from sevenloops.bench.contestants import CONTESTANTS
from sevenloops.bench.results import OURS, Results, Row, Timing, summarise

__all__ = ["as_text", "disturbances", "epochs", "how", "losing_first", "refusals", "size"]

_HEAD = ("ratio", "layer", "pass", "ours", "±", "theirs", "±", "GFLOP/s", "peak", "memory", "error", "by")
_LEFT = {1, 2, 11}  # columns of words
_WIDTH = 120
_LABEL = 37  # the longest of most suites


def as_text(results: Results) -> str:
    """Return everything that is to be said on a terminal."""
    lines = list(_heading(results))
    peers: list[str | None] = [*results.peers]
    for peer in peers or [None]:
        if rows := losing_first(results.rows, peer):
            lines += ["", _against(results, peer), *_aligned([_HEAD, *(_cells(results, row, peer) for row in rows)])]
    failures = [sentence for row in results.rows for sentence in row.failures]
    if failures:
        lines += ["", f"Failures: {len(failures)}", *(f"  {sentence}" for sentence in failures)]
    lines += [""] * bool(summarise(results)) + list(_conclusion(results))
    shown = (line.rstrip() for line in lines)
    return "\n".join(fill(line, _WIDTH, subsequent_indent="    ") if len(line) > _WIDTH else line for line in shown)


def losing_first(rows: Sequence[Row], peer: str | None) -> list[Row]:
    """Return the rows that we were timed in, the worst first; those without a ratio are last.

    Rows that the peer has refused are left out.
    """
    timed = [row for row in rows if row.seconds(OURS) is not None and not (peer and row.is_refused(peer))]
    return sorted(timed, key=lambda row: -((peer and row.ratio(peer)) or 0.0))


def size(count: float) -> str:
    """Return a number of bytes to be read."""
    return f"{count / 2**20:.1f} MiB" if count >= 2**20 / 10 else f"{count / 2**10:.0f} KiB"


def _heading(results: Results) -> Iterator[str]:
    machine = results.machine
    yield (
        f"{results.benchmark}, suite {results.suite}: {machine['cpu']}, {machine['threads']} thread(s), float32, "
        f"NumPy {machine['numpy']}"
    )
    if results.peak:
        yield f"peak: {results.peak}"
    if results.interrupted:
        yield "Stopped by Ctrl-C: what follows is a part."
    yield "times in ms, the median of all runs; ±: half the distance of the quartiles; memory: of the workspace"
    yield from results.missing
    yield from refusals(results)
    yield from disturbances(results)


def refusals(results: Results) -> Iterator[str]:
    """Yield a sentence for each reason of a contestant not to do something."""
    entries = [entry for row in results.rows for entry in row.entries if entry.refusal]
    for name, reason in dict.fromkeys((entry.contestant, entry.refusal) for entry in entries):
        yield f"{_title(name)} is not everywhere: {reason}."


def disturbances(results: Results) -> Iterator[str]:
    """Yield a sentence on what was not measured in peace."""
    if disturbed := results.disturbed:
        worst = max(disturbed, key=lambda row: row.disturbance or 0.0)
        yield (
            f"Other programs disturbed {len(disturbed)} of {len(results.rows)} rows, at most with "
            f"{worst.disturbance:.0%} of the processors ({worst.label}, {worst.direction}): marked with ?, "
            f"they are not counted; measure them again."
        )


def _title(name: str) -> str:
    return CONTESTANTS[name].title if name in CONTESTANTS else name


def _against(results: Results, peer: str | None) -> str:
    if peer is None:
        return "sevenloops alone"
    version = results.contestants[peer].get("version", "")
    return f"against {_title(peer)} {version}, {how(results, peer)} (ratio: our time / theirs)"


def how(results: Results, peer: str) -> str:
    """Return in which of its variants a peer counts, and what it has done before it is timed."""
    variants = CONTESTANTS[peer].variants if peer in CONTESTANTS else ()
    packed = any(e.notes.get("packed") for row in results.rows for e in row.entries if e.contestant == peer)
    theirs = f"theirs the faster of {' and '.join(variants)}" if len(variants) > 1 else "theirs of one way to call it"
    return theirs + (", weights packed beforehand" if packed else "")


def _cells(results: Results, row: Row, peer: str | None) -> tuple[str, ...]:
    ours = row.best(OURS)
    theirs = row.best(peer) if peer else None
    ratio = row.ratio(peer) if peer else None
    gflops = row.gflops(OURS)
    share = f"{gflops / results.peak.gflops:.0%}" if gflops and results.peak else "-"
    notes = ours.notes if ours else {}
    label = row.label if len(row.label) <= _LABEL else f"{row.label[: _LABEL - 1]}…"
    return (
        "-" if ratio is None else f"{ratio:.2f}{'?' * row.is_disturbed}",
        label,
        row.direction,
        *_milliseconds(ours.timing if ours else None),
        *_milliseconds(theirs.timing if theirs else None),
        "-" if gflops is None or not row.flops else f"{gflops:.0f}" if gflops >= 10 else f"{gflops:.1f}",
        share if row.flops else "-",
        size(notes["workspace"]) if "workspace" in notes else "-",
        "-" if ours is None or ours.error is None else f"{ours.error:.0e}",
        str(notes.get("algorithm", "")),
    )


def _milliseconds(timing: Timing | None) -> tuple[str, str]:
    if timing is None:
        return "-", ""
    shown = 1e3 * timing.median
    digits = 3 if shown < 10 else 2 if shown < 100 else 1
    return f"{shown:.{digits}f}", f"{(timing.high - timing.low) / 2 / timing.median:.0%}"


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        " ".join(
            cell.ljust(width) if i in _LEFT else cell.rjust(width) for i, (cell, width) in enumerate(zip(r, widths))
        )
        for r in rows
    ]


def _conclusion(results: Results) -> Iterator[str]:
    for summary in summarise(results):
        yield (
            f"{summary.peer}, {summary.direction}: geometric mean {summary.mean:.2f} of {summary.count}, "
            f"{summary.lost} lost, worst {summary.worst:.2f} ({summary.worst_label})"
        )
    yield from epochs(results)


def epochs(results: Results) -> Iterator[str]:
    """Yield how long an epoch takes, as so many times the steps that were measured."""
    for row in results.rows:
        if steps := row.details.get("steps_per_epoch"):
            times = [(name, row.seconds(name)) for name in results.contestants]
            shown = ", ".join(f"{name} {steps * seconds:.2f} s" for name, seconds in times if seconds)
            yield f"{row.label}: an epoch, reckoned as {steps} such steps: {shown}"
