"""Ratios, means, the table and the JSON, from times that are made up."""

import json
import math

import pytest

from sevenloops.bench import Results, Row, as_html, as_text, geometric_mean
from sevenloops.bench.results import Entry, Peak, Timing, summarise

MACHINE = {"cpu": "A <fine> processor", "system": "Linux", "threads": 2, "python": "3.11", "numpy": "2.0"}


def entry(contestant, variant, milliseconds, **rest):
    seconds = milliseconds / 1e3
    return Entry(contestant, variant, Timing(seconds, 0.9 * seconds, 1.2 * seconds, 8), 3e-7, **rest)


def row(label, direction, ours, theirs, flops=10**9):
    """A row whose second variants take twice as long."""
    notes = {"algorithm": "im2col-lazy", "workspace": 3 * 2**20}
    entries = [
        entry("sevenloops", "channels-first", 2 * ours),
        entry("sevenloops", "channels-last", ours, notes=notes),
    ]
    entries += [entry("torch", "contiguous", theirs), entry("torch", "channels_last", 2 * theirs)]
    return Row(label, direction, flops, {}, entries)


@pytest.fixture
def results():
    rows = [
        row("slight win", "forward", 9, 10),
        row("loss", "forward", 40, 10),
        row("win", "forward", 2, 8),
        row("win", "weight_grad", 5, 10),
    ]
    about = {"sevenloops": {"version": "0.1"}, "torch": {"version": "2.13"}}
    return Results("conv", "small", MACHINE, about, peak=Peak(200.0, "torch", 2048), rows=rows)


def test_geometric_mean():
    assert geometric_mean([2, 8]) == pytest.approx(4)
    assert geometric_mean([0.25, 0.9, 4]) == pytest.approx(0.9 ** (1 / 3))
    assert geometric_mean([1.7]) == pytest.approx(1.7)


def test_timing_has_the_quartiles():
    assert Timing.of([5, 1, 3, 2, 4]) == Timing(3, 2, 4, 5)


def test_the_faster_variant_counts_on_both_sides(results):
    loss = results.rows[1]
    assert loss.best("sevenloops").variant == "channels-last"
    assert loss.best("torch").variant == "contiguous"
    assert loss.ratio("torch") == pytest.approx(4)
    assert loss.gflops("sevenloops") == pytest.approx(25)
    assert loss.ratio("openvino") is None


def test_summaries(results):
    forward, weights = summarise(results)
    assert (forward.count, forward.lost, forward.worst_label) == (3, 1, "loss")
    assert forward.mean == pytest.approx((0.9 * 4 * 0.25) ** (1 / 3))
    assert forward.worst == pytest.approx(4)
    assert (weights.direction, weights.count, weights.lost, weights.mean) == ("weight_grad", 1, 0, pytest.approx(0.5))


def test_the_table_has_losing_cases_first_and_fits(results):
    text = as_text(results)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 120
    start = next(i for i, line in enumerate(lines) if line.startswith("ratio"))
    assert [line.split()[0] for line in lines[start + 1 : start + 5]] == ["4.00", "0.90", "0.50", "0.25"]
    assert lines[start + 1].split() == [
        *("4.00", "loss", "forward", "40.00", "15%", "10.00", "15%", "25", "12%", "3.0", "MiB"),
        *("3e-07", "im2col-lazy"),
    ]
    assert "torch, forward: geometric mean 0.97 of 3, 1 lost, worst 4.00 (loss)" in text
    assert "peak: 200 GFLOP/s, the float32 product of two 2048x2048 matrices by torch" in text


def test_the_longest_layers_fit_too(results):
    from sevenloops.bench import suite

    results.rows = [row(str(layer), d, 1234, 12) for layer in suite("all") for d in ("weight_grad", "input_grad")]
    assert max(map(len, as_text(results).splitlines())) <= 120


def test_failures_are_said_and_do_not_count(results):
    results.rows[1].entries[1] = Entry("sevenloops", "channels-last", None, 0.3, "is wrong: its error is large")
    results.rows[0].entries[0] = Entry("sevenloops", "channels-first", None, None, f"failed: {'long ' * 50}")
    results.rows.append(Row("lost", "forward", 1, failure="there is no reference: MemoryError: too large"))
    text = as_text(results)
    assert "Failures: 3" in text
    assert "loss, forward: sevenloops (channels-last) is wrong: its error is large." in text
    assert "lost, forward: there is no reference: MemoryError: too large." in text
    assert max(map(len, text.splitlines())) <= 120
    assert results.rows[1].ratio("torch") == pytest.approx(8)  # the other variant is left


def test_what_a_peer_refuses_is_no_failure(results):
    for each in results.rows[1:]:
        each.entries[2:] = [Entry("torch", "contiguous", refusal="it only runs networks")]
    text = as_text(results)
    assert text.count("PyTorch is not everywhere: it only runs networks.") == 1
    assert "Failures" not in text
    assert "slight win" in text
    assert " loss " not in text
    assert "it only runs networks" in as_html(results)


def test_json_has_all_figures(results):
    results.rows[0].entries[0] = Entry("sevenloops", "channels-first", None, None, "is wrong")
    content = json.loads(json.dumps(results.to_json(), allow_nan=False))
    assert content["rows"][1]["ratios"] == {"torch": pytest.approx(4)}
    best = content["rows"][1]["entries"][1]
    assert best["timing"] == {"median": 0.04, "low": pytest.approx(0.036), "high": pytest.approx(0.048), "runs": 8}
    assert (best["gflops"], best["peak_share"]) == (pytest.approx(25), pytest.approx(0.125))
    assert best["notes"] == {"algorithm": "im2col-lazy", "workspace": 3 * 2**20}
    assert content["rows"][0]["entries"][0]["gflops"] is None
    assert content["machine"]["threads"] == 2
    assert content["summary"][0]["mean"] == pytest.approx((0.9 * 4 * 0.25) ** (1 / 3))
    assert Results.from_json(content) == results


def test_alone_there_is_no_ratio(results):
    del results.contestants["torch"]
    for each in results.rows:
        each.entries = each.entries[:2]
    text = as_text(results)
    assert "sevenloops alone" in text
    assert text.count("\n    - ") == 4
    assert "GFLOP/s" in as_html(results)


def test_the_page_is_whole_and_escapes_what_it_shows(results):
    page = as_html(results)
    assert "A &lt;fine&gt; processor" in page
    assert "<fine>" not in page
    assert "prefers-color-scheme: dark" in page
    assert "http" not in page.replace("http-equiv", "")
    assert page.index(">4.00</td>") < page.index(">0.90</td>") < page.index(">0.25</td>")
    assert well_formed(page)


def well_formed(page):
    """Whether every element that is opened is closed, in order."""
    from html.parser import HTMLParser

    class Stack(HTMLParser):
        open_: list = []  # noqa: RUF012
        right = True

        def handle_starttag(self, tag, attrs):
            if tag not in ("meta",):
                self.open_.append(tag)

        def handle_startendtag(self, tag, attrs):
            pass

        def handle_endtag(self, tag):
            self.right &= bool(self.open_) and self.open_.pop() == tag

    parser = Stack()
    parser.open_ = []
    parser.feed(page)
    return parser.right and not parser.open_


def test_marks_are_where_their_ratios_are(results):
    """On a logarithmic axis from 1/4 to 4: our win of four times at its left end, the loss at its right."""
    import re

    page = as_html(results)
    plot = page[page.index("Our time over") : page.index("<h2>GFLOP/s")]
    circles = dict(
        (title, float(place)) for place, title in re.findall(r'cx="([\d.]+)%"[^>]*><title>forward: ([\d.]+)', plot)
    )
    assert circles["0.25"] == pytest.approx(2)
    assert circles["4.00"] == pytest.approx(98)
    assert circles["0.90"] == pytest.approx(2 + 96 * (math.log2(0.9) + 2) / 4, abs=0.01)


def test_disturbed_rows_are_said(results):
    results.rows[0].disturbance, results.rows[1].disturbance = 0.04, 0.31
    sentence = "Other programs disturbed 1 of 4 rows, at most with 31% of the processors (loss, forward)"
    assert sentence in " ".join(as_text(results).split())
    assert sentence in as_html(results)
    assert "\n4.00? loss" in as_text(results)
    assert ">4.00?</td>" in as_html(results)
    forward = summarise(results)[0]
    assert (forward.count, forward.lost, forward.mean) == (2, 0, pytest.approx((0.9 * 0.25) ** 0.5))
    results.rows[1].disturbance = None
    assert "disturbed" not in as_text(results)
    assert summarise(results)[0].count == 3


def test_an_epoch_is_so_many_steps(results):
    results.rows = [row("LeNet-5", "train step", 10, 20)]
    results.rows[0].details["steps_per_epoch"] = 938
    sentence = "LeNet-5: an epoch, reckoned as 938 such steps: sevenloops 9.38 s, torch 18.76 s"
    assert sentence in as_text(results)
    assert sentence in as_html(results)


def test_a_page_of_an_interrupted_run(results):
    results.interrupted, results.rows, results.peak = True, [], None
    assert "stopped by Ctrl-C" in as_html(results)
    assert "Stopped by Ctrl-C" in as_text(results)
