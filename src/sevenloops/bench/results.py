"""What a benchmark leaves behind: rows, each with what every contestant took, and what they amount to."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from math import exp, isfinite, log
from typing import Any

import numpy as np

__all__ = ["CALM", "OURS", "Entry", "Peak", "Results", "Row", "Summary", "Timing", "geometric_mean", "summarise"]

OURS = "sevenloops"

#: The share of all processors' time that others may use while something is measured: what a system at rest needs.
CALM = 0.05


@dataclass(frozen=True)
class Timing:
    """Seconds of all runs: median, quartiles, and how many there were."""

    median: float
    low: float
    high: float
    runs: int

    @classmethod
    def of(cls, times: Sequence[float]) -> "Timing":
        """Return the figures of so many measured seconds."""
        low, median, high = np.quantile(times, [0.25, 0.5, 0.75])
        return cls(float(median), float(low), float(high), len(times))


@dataclass
class Entry:
    """One contestant in one of its variants on one task.

    Attributes
    ----------
    contestant, variant : str
    timing : Timing or None
        None where it could not be timed.
    error : float or None
        The largest error relative to the largest value of the float64 result; None where it is not finite.
    failure : str or None
        Why there is no timing.
    notes : dict
        What the contestant says of its call.
    is_wrong : bool
        Whether the failure is a wrong result.
    refusal : str or None
        Why the contestant does not do such things, which is no failure.
    """

    contestant: str
    variant: str
    timing: Timing | None = None
    error: float | None = None
    failure: str | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    is_wrong: bool = False
    refusal: str | None = None


@dataclass
class Row:
    """One task, such as a pass of a layer.

    Attributes
    ----------
    label, direction : str
        The layer or network, and the pass.
    flops : int
        Operations by definition.
    details : dict
        Sizes; JSON.
    entries : list of Entry
    failure : str or None
        Why there are no entries.
    disturbance : float or None
        The share of all processors' time that other programs used meanwhile; None where the system does not tell.
    """

    label: str
    direction: str
    flops: int
    details: dict[str, Any] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    failure: str | None = None
    disturbance: float | None = None

    def best(self, contestant: str) -> Entry | None:
        """Return the fastest of a contestant's variants; None where none was timed."""
        timed = [e for e in self.entries if e.contestant == contestant and e.timing is not None]
        return min(timed, key=lambda entry: entry.timing.median if entry.timing else 0.0, default=None)

    def seconds(self, contestant: str) -> float | None:
        """Return the median of the fastest variant."""
        best = self.best(contestant)
        return None if best is None or best.timing is None else best.timing.median

    def ratio(self, peer: str) -> float | None:
        """Return our time over the peer's; more than 1 where we lose, None where one of them has no time."""
        ours, theirs = self.seconds(OURS), self.seconds(peer)
        return None if ours is None or theirs is None else ours / theirs

    def gflops(self, contestant: str) -> float | None:
        """Return 10⁹ operations a second."""
        seconds = self.seconds(contestant)
        return None if seconds is None else self.flops / seconds / 1e9

    @property
    def is_disturbed(self) -> bool:
        """Whether other programs took so much of the processors that the times mean nothing."""
        return self.disturbance is not None and self.disturbance > CALM

    def is_refused(self, contestant: str) -> bool:
        """Whether a contestant has refused, in all of its variants."""
        return all(entry.refusal for entry in self.entries if entry.contestant == contestant)

    @property
    def failures(self) -> list[str]:
        """What went wrong, each in one sentence."""
        own = [f"{self.label}, {self.direction}: {self.failure}."] if self.failure else []
        return own + [
            f"{self.label}, {self.direction}: {entry.contestant} ({entry.variant}) {entry.failure}."
            for entry in self.entries
            if entry.failure
        ]


@dataclass(frozen=True)
class Peak:
    """The fastest large matrix product of the contestants."""

    gflops: float
    contestant: str
    size: int

    def __str__(self) -> str:
        return (
            f"{self.gflops:.0f} GFLOP/s, the float32 product of two {self.size}x{self.size} matrices "
            f"by {self.contestant}"
        )


@dataclass(frozen=True)
class Summary:
    """A pass over all tasks that were not disturbed, against one peer."""

    direction: str
    peer: str
    count: int
    lost: int
    mean: float
    worst: float
    worst_label: str


@dataclass
class Results:
    """Everything a run has measured.

    Attributes
    ----------
    benchmark, suite : str
    machine : dict
    contestants : dict
        What each says of itself, by name.
    missing : list of str
        A sentence for each contestant that is not installed.
    effort : dict
    peak : Peak or None
    rows : list of Row
    interrupted : bool
        Whether Ctrl-C ended it before its time.
    """

    benchmark: str
    suite: str
    machine: dict[str, Any]
    contestants: dict[str, dict[str, Any]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    effort: dict[str, Any] = field(default_factory=dict)
    peak: Peak | None = None
    rows: list[Row] = field(default_factory=list)
    interrupted: bool = False

    @property
    def disturbed(self) -> list[Row]:
        """The rows that other programs have disturbed."""
        return [row for row in self.rows if row.is_disturbed]

    @property
    def peers(self) -> list[str]:
        """The contestants beside ourselves."""
        return [name for name in self.contestants if name != OURS]

    def to_json(self) -> dict[str, Any]:
        """Return it all, with the figures that follow from the times."""
        content = asdict(self)
        for row, record in zip(self.rows, content["rows"]):
            record["ratios"] = {peer: row.ratio(peer) for peer in self.peers}
            for entry in record["entries"]:
                seconds = entry["timing"] and entry["timing"]["median"]
                entry["gflops"] = row.flops / seconds / 1e9 if seconds else None
                entry["peak_share"] = entry["gflops"] / self.peak.gflops if seconds and self.peak else None
        content["summary"] = [asdict(summary) for summary in summarise(self)]
        return content

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Results":
        """Return the results that `to_json` described."""
        known = {name: value for name, value in content.items() if name != "summary"}
        known["peak"] = content["peak"] and Peak(**content["peak"])
        known["rows"] = [_row(record) for record in content["rows"]]
        return cls(**known)


def _row(record: dict[str, Any]) -> Row:
    row = Row(**{name: value for name, value in record.items() if name not in ("entries", "ratios")})
    for each in record["entries"]:
        entry = Entry(**{name: value for name, value in each.items() if name not in ("gflops", "peak_share")})
        entry.timing = each["timing"] and Timing(**each["timing"])
        row.entries.append(entry)
    return row


def geometric_mean(values: Iterable[float]) -> float:
    """Return the mean of ratios: that of twice and half as fast is 1.

    Examples
    --------
    >>> from sevenloops.bench.results import geometric_mean
    >>> geometric_mean([0.5, 2.0])
    1.0
    """
    logarithms = [log(value) for value in values]
    return exp(sum(logarithms) / len(logarithms))


def summarise(results: Results) -> list[Summary]:
    """Return a summary for each peer and pass that both have times of; rows that were disturbed do not count."""
    found = []
    calm = [row for row in results.rows if not row.is_disturbed]
    for peer in results.peers:
        for direction in dict.fromkeys(row.direction for row in results.rows):
            ratios = [(row.ratio(peer), row.label) for row in calm if row.direction == direction]
            both = [(ratio, label) for ratio, label in ratios if ratio is not None and isfinite(ratio)]
            if both:
                worst, label = max(both)
                mean = geometric_mean(ratio for ratio, _ in both)
                lost = sum(ratio > 1 for ratio, _ in both)
                found.append(Summary(direction, peer, len(both), lost, mean, worst, label))
    return found
