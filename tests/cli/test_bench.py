"""``sevenloops bench``, end to end in separate processes."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec

import pytest

from sevenloops import bench

QUICK = ("--layers", "64,16,5,5", "--threads", "1", "--quick")
ALONE = (*QUICK, "--against", "none")


@pytest.fixture(autouse=True)
def quick_peak(monkeypatch):
    monkeypatch.setattr("sevenloops.bench.measure._PRODUCT", 256)


def test_alone_from_beginning_to_end(call, here):
    code, out, err = call("bench", "conv", *ALONE, "--json", "a.json", "--html", "a.html")
    assert (code, err.count("64,16,5,5 -> 120, 5x5")) == (0, 3)
    assert "3/3  64,16,5,5 -> 120, 5x5, weight_grad: done" in err
    assert "sevenloops alone" in out
    assert max(map(len, out.splitlines())) <= 120
    content = json.loads((here / "a.json").read_text())
    assert [row["direction"] for row in content["rows"]] == ["forward", "input_grad", "weight_grad"]
    assert content["machine"]["threads"] == content["contestants"]["sevenloops"]["threads"] == 1
    layer = bench.ConvLayer.from_json(content["rows"][0]["details"]["layer"])
    assert content["rows"][0]["flops"] == layer.flops == 2 * 64 * 120 * 16 * 25
    for entry in (entry for row in content["rows"] for entry in row["entries"]):
        assert entry["failure"] is None
        assert entry["timing"]["runs"] >= 3
        assert entry["error"] < 1e-5
        assert entry["gflops"] == pytest.approx(layer.flops / entry["timing"]["median"] / 1e9)
    assert (here / "a.html").read_text().startswith("<!DOCTYPE html>")
    assert sorted(path.name for path in here.iterdir() if path.is_file()) == ["a.html", "a.json"]


def test_passes_and_silence(call):
    code, out, err = call("bench", "conv", *ALONE, "--pass", "weight_grad,weight_grad", "--quiet")
    assert (code, err) == (0, "")
    rows = [line for line in out.splitlines() if line.strip().startswith("- 64,")]
    assert len(rows) == 1
    assert " weight_grad " in rows[0]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["conv", "--suite", "big"], "suite must be one of small, 3x3, resnet50, mobilenetv2, deepbench, all, "),
        (["train", "--suite", "vgg16"], "--suite must be some of lenet5, resnet18-cifar, all, "),
        (["infer", "--suite", ""], "--suite must be some of vgg16, resnet50, all, "),
        (["conv", "--pass", "backward"], "--pass must be some of forward, input_grad, weight_grad, "),
        (["conv", "--against", "tensorflow"], "--against must be some of torch, onnxruntime, openvino, "),
        (["conv", "--against", "none,torch"], "--against must be some of torch, onnxruntime, openvino, "),
        (["conv", "--layers", "9x9"], "layers must match a layer of the suite, "),
        (["conv", "--threads", "0"], "--threads must be at least 1"),
        (["conv", "--json", "no/such/folder/a.json"], "The folder of a file to write must exist"),
        (["conv", "--html", "tiny"], "What is written must be a file"),
    ],
)
def test_mistakes_are_one_sentence_before_anything_runs(call, monkeypatch, arguments, sentence):
    monkeypatch.setattr("sevenloops.bench.run", lambda *_: pytest.fail("it has begun"))
    code, out, err = call("bench", *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"sevenloops bench: {sentence}")


def test_checking_a_file_leaves_its_contents(call, here):
    (here / "old.json").write_text("mine")
    assert call("bench", "conv", "--json", "old.json", "--html", "no/such/a.html")[0] == 2
    assert (here / "old.json").read_text() == "mine"


def test_wrong_results_are_a_fault(call, monkeypatch, here):
    monkeypatch.setattr(sys.modules["sevenloops.bench.run"], "reference", lambda layer, _: layer.arrays()[0])
    code, out, err = call("bench", "conv", *ALONE, "--quiet", "--json", "a.json")
    assert (code, err) == (2, "sevenloops bench: Results must be right, but sevenloops was wrong in 3 of 3 rows.\n")
    assert out.count(" is wrong: its error is ") == 6
    assert len(json.loads((here / "a.json").read_text())["rows"]) == 3


@pytest.mark.skipif(find_spec("onnxruntime") is not None, reason="ONNX Runtime is installed")
def test_nobody_to_measure_against(call):
    code, _, err = call("bench", "conv", *QUICK, "--against", "onnxruntime")
    assert (code, err.count("\n")) == (2, 1)
    assert "ONNX Runtime is not installed" in err
    assert "run: pip install" in err


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_ctrl_c_prints_and_keeps_what_there_is(here):
    command = [sys.executable, "-m", "sevenloops.cli", "bench", "conv", "--against", "none", "--json", "a.json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if line.startswith("1/"):
            process.send_signal(signal.SIGINT)  # some send it twice: the terminal, and who has started the command
            time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            break
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.endswith("sevenloops bench: stopped by Ctrl-C.\n")
    assert "Stopped by Ctrl-C: what follows is a part." in out
    assert "64,3,50,50 -> 15, 4x4, s2" in out
    content = json.loads((here / "a.json").read_text())
    assert content["interrupted"]
    assert 1 <= len(content["rows"]) < 18


def test_a_kill_keeps_what_was_measured_before(here, call, monkeypatch):
    """The file is complete after every row."""
    seen = []
    real = bench.run

    def watched(*arguments):
        *rest, note = arguments

        def noted(results, row, number):
            note(results, row, number)
            if row is not None:
                seen.append(len(json.loads((here / "a.json").read_text())["rows"]))

        return real(*rest, noted)

    monkeypatch.setattr("sevenloops.bench.run", watched)
    assert call("bench", "conv", *ALONE, "--json", "a.json")[0] == 0
    assert seen == [1, 2, 3]
