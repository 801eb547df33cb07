"""The benchmarks against PyTorch itself: the same layers, the same networks with the same weights."""

import json

import numpy as np
import pytest

from sevenloops import cli
from sevenloops.bench import CONTESTANTS, NETWORKS, Contestant, ConvLayer, conv_tasks, infer_tasks
from sevenloops.bench.measure import largest_error

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.peers

LAYERS = [
    ConvLayer.square(2, 3, 9, 4, 3, stride=2, padding=1),
    ConvLayer(2, 4, 7, 6, 6, (3, 2), (2, 1), (1, 2), 2),
    ConvLayer.square(1, 6, 8, 6, 3, padding=1, groups=6),
]


@pytest.fixture(scope="module")
def contestant():
    with Contestant("torch", CONTESTANTS["torch"].command, 1) as found:
        yield found


@pytest.mark.parametrize("variant", ["contiguous", "channels_last"])
@pytest.mark.parametrize("task", conv_tasks(LAYERS, ("forward", "input_grad", "weight_grad")), ids=lambda t: t.label)
def test_convolutions_agree(contestant, task, variant):
    results, _ = contestant.prepare(task.request, variant)
    assert largest_error(results, task.reference()) < 1e-5
    assert contestant.time(variant, 0, 2)[0] > 0


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_have_the_same_parameters(name):
    from sevenloops.bench.contestants.torch_networks import build

    with torch.device("meta"):  # without memory and initial weights
        theirs = build(torch, name).state_dict()
    ours = NETWORKS[name].build().state_dict()
    assert {key: array.shape for key, array in ours.items()} == {k: tuple(t.shape) for k, t in theirs.items()}


def test_a_run_of_everything(tmp_path, capsys):
    """Three passes of a convolution and a step of training, each in both memory orders of both libraries."""
    path = tmp_path / "results.json"
    for arguments, count in (
        (["conv", "--layers", "64,16,5,5"], 3),
        (["train", "--suite", "lenet5"], 1),
    ):
        assert cli.main(["bench", *arguments, "--quick", "--quiet", "--json", str(path)]) == 0
        content = json.loads(path.read_text())
        assert len(content["rows"]) == count
        for row in content["rows"]:
            assert len(row["entries"]) == 4
            assert [entry["failure"] for entry in row["entries"]] == [None] * 4
            assert row["ratios"]["torch"] > 0
            assert row["flops"] > 0
        assert "against PyTorch" in capsys.readouterr().out


def test_inference_agrees(contestant):
    (task,) = infer_tasks(["resnet50"], [1])
    reference = task.reference()
    for variant in ("contiguous", "channels_last"):
        results, _ = contestant.prepare(task.request, variant)
        assert results[0].shape == (1, 1000)
        assert largest_error(results, reference) < 1e-4


def test_training_goes_on_step_by_step(contestant):
    """What is timed is a whole step: the gradients of the first are computed from weights that then change."""
    request = {"kind": "train", "network": "lenet5"}
    first, _ = contestant.prepare(request, "contiguous")
    assert [array.shape for array in first] == [(64, 10), (61706,)]
    assert np.isfinite(first[1]).all()
    assert len(contestant.time("contiguous", 0, 3)) == 3
