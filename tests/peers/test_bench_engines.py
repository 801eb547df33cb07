"""The benchmarks against inference engines, where they are installed: right results, and what they refuse."""

import pytest

from sevenloops.bench import CONTESTANTS, Contestant, ContestantError, ConvLayer, conv_tasks, infer_tasks
from sevenloops.bench.measure import largest_error

pytestmark = pytest.mark.peers

LAYERS = [
    ConvLayer.square(2, 3, 9, 4, 3, stride=2, padding=1),
    ConvLayer(2, 4, 7, 6, 6, (3, 2), (2, 1), (1, 2), 2),
    ConvLayer.square(1, 6, 8, 6, 3, padding=1, groups=6),
]


@pytest.fixture(scope="module", params=["onnxruntime", "openvino"])
def contestant(request):
    pytest.importorskip(request.param)
    with Contestant(request.param, CONTESTANTS[request.param].command, 1) as found:
        if "missing" in (answer := found.introduce()):
            pytest.skip(f"{answer['missing']} is not installed")
        yield found


@pytest.mark.parametrize("task", conv_tasks(LAYERS, ("forward",)), ids=lambda task: task.label)
def test_convolutions_agree(contestant, task):
    results, notes = contestant.prepare(task.request, "default")
    assert notes == {"packed": True}
    assert largest_error(results, task.reference()) < 1e-5
    assert len(contestant.time("default", 0, 3)) == 3


def test_networks_agree(contestant):
    pytest.importorskip("onnx")
    (task,) = infer_tasks(["resnet50"], [2])
    results, _ = contestant.prepare(task.request, "default")
    assert largest_error(results, task.reference()) < 1e-4


def test_what_is_not_forward_is_refused(contestant):
    for task in conv_tasks(LAYERS[:1], ("input_grad", "weight_grad")):
        with pytest.raises(ContestantError, match="it only runs networks forward"):
            contestant.prepare(task.request, "default")
