"""Write the benchmarks' results into README.md, between two comments that mark the place.

    sevenloops bench conv --suite small --json benchmarks/results/bench-conv-small.json
    python tools/readme_table.py [--readme FILE] [RESULTS.json ...]

takes all of benchmarks/results/bench-*.json where no files are named. What we lose most comes first; the place is
between

    <!-- bench: begin -->
    <!-- bench: end -->
"""

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from json import loads
from pathlib import Path

from sevenloops.bench import CONTESTANTS, Results
from sevenloops.bench.results import OURS, summarise

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
PASSES = {"forward": "forward", "input_grad": "input gradient", "weight_grad": "weight gradient"}


def title(peer: str) -> str:
    return CONTESTANTS[peer].title if peer in CONTESTANTS else peer


def layer_rows(every: Sequence[Results]) -> Iterator[tuple[float, str]]:
    """Yield a line per suite of layers and peer, with how bad it is."""
    for results in every:
        for peer in results.peers:
            summaries = {s.direction: s for s in summarise(results) if s.peer == peer and s.direction in PASSES}
            if not summaries:
                continue
            worst = max(summaries.values(), key=lambda summary: summary.worst)
            cells = [f"{summaries[name].mean:.2f}" if name in summaries else "" for name in PASSES]
            lost, count = (sum(getattr(s, name) for s in summaries.values()) for name in ("lost", "count"))
            where = f"{worst.worst:.2f} (`{worst.worst_label}`, {PASSES[worst.direction]})"
            line = f"| `{results.suite}`, {title(peer)} | {' | '.join(cells)} | {lost} of {count} | {where} |"
            yield max(summary.mean for summary in summaries.values()), line


def network_rows(every: Sequence[Results]) -> Iterator[tuple[float, str]]:
    """Yield a line per network and peer; a step that is one of an epoch's as the epoch."""
    for results in every:
        for row in results.rows:
            for peer in results.peers:
                ratio, ours, theirs = row.ratio(peer), row.seconds(OURS), row.seconds(peer)
                if row.direction in PASSES or ratio is None or ours is None or theirs is None:
                    continue
                steps = row.details.get("steps_per_epoch")
                what = f"an epoch, {steps} times a step" if steps else row.direction
                times = [
                    f"{seconds * (steps or 1):.2f} s" if steps else f"{1e3 * seconds:.1f} ms"
                    for seconds in (ours, theirs)
                ]
                yield ratio, f"| {row.label}: {what} | {times[0]} | {title(peer)}: {times[1]} | {ratio:.2f} |"


def conditions(every: Sequence[Results]) -> str:
    """Return a sentence on the machine and the versions, of which there must be one."""
    sentences = set()
    for results in every:
        machine = results.machine
        threads = "one thread" if machine["threads"] == 1 else f"{machine['threads']} threads"
        sentences.add(f"float32, {threads} of {machine['cpu']}, NumPy {machine['numpy']}")
    if len(sentences) > 1:
        raise SystemExit(f"Results must be of one machine and one number of threads, but are of {sorted(sentences)}.")
    about = {title(peer): results.contestants[peer].get("version", "") for results in every for peer in results.peers}
    return ", ".join([*sentences, *(f"{name} {version}" for name, version in about.items())])


def tables(every: Sequence[Results]) -> str:
    """Return what stands between the marks."""
    lines = [f"Our time over theirs ({conditions(every)}); below 1 we are faster. What we lose most comes first.", ""]
    layers, networks = (sorted(rows(every), reverse=True) for rows in (layer_rows, network_rows))
    if layers:
        head = ["suite of layers, against", *PASSES.values(), "lost", "worst"]
        lines += [f"| {' | '.join(head)} |", "| --- " * len(head) + "|", *(line for _, line in layers), ""]
    if networks:
        head = ["network", "ours", "theirs", "ratio"]
        lines += [f"| {' | '.join(head)} |", "| --- " * len(head) + "|", *(line for _, line in networks), ""]
    return "\n".join(lines)


def replaced(text: str, block: str) -> str:
    """Return the text with the block between its marks."""
    marks = re.escape(BEGIN) + ".*?" + re.escape(END)
    if len(re.findall(marks, text, flags=re.DOTALL)) != 1:
        raise SystemExit(f"The file must have the lines {BEGIN} and {END} once; put them where the tables are to be.")
    return re.sub(marks, lambda _: f"{BEGIN}\n{block}{END}", text, flags=re.DOTALL)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="*", type=Path, help="what sevenloops bench --json has written")
    parser.add_argument("--readme", type=Path, default=ROOT / "README.md")
    options = parser.parse_args(arguments)
    paths = options.results or sorted((ROOT / "benchmarks" / "results").glob("bench-*.json"))
    if not paths:
        raise SystemExit("There are no results; run sevenloops bench with --json benchmarks/results/bench-NAME.json.")
    every = [Results.from_json(loads(path.read_text(encoding="utf-8"))) for path in paths]
    stopped = [str(path) for path, results in zip(paths, every) if results.interrupted]
    if stopped:
        raise SystemExit(f"Results must be whole, but {', '.join(stopped)} was stopped by Ctrl-C; measure it again.")
    disturbed = [str(path) for path, results in zip(paths, every) if results.disturbed]
    if disturbed:
        raise SystemExit(
            f"Results must be of a calm machine, but rows of {', '.join(disturbed)} were disturbed; "
            "measure them again."
        )
    text = options.readme.read_text(encoding="utf-8")
    options.readme.write_text(replaced(text, tables(every)), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
