import copy

import numpy as np
import pytest

import sevenloops as sl
from sevenloops import nn
from sevenloops.autograd import Tensor, no_grad
from sevenloops.errors import ShapeError


def network(rng=0):
    """Everything that a call can change: running statistics, generators, modes that differ."""
    block = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, rng=rng), nn.BatchNorm2d(4, momentum=None), nn.ReLU())
    model = nn.Sequential(
        nn.Conv2d(3, 4, 1, rng=rng),
        nn.Residual(block),
        nn.Dropout(0.5, rng=1),
        nn.Flatten(),
        nn.Linear(100, 10, rng=rng),
    )
    model[1].module[1].eval()
    model[2].eval()
    return model


def state_of(model):
    return (
        {name: array.tobytes() for name, array in model.state_dict().items()},
        [module.training for module in model.modules()],
        [vars(module).keys() for module in model.modules()],
        [(list(m._pre_hooks.items()), list(m._forward_hooks.items())) for m in model.modules()],
        str(model[2].generator.bit_generator.state),
        [parameter.grad for parameter in model.parameters()],
    )


def test_the_model_is_left_as_it_was():
    model, other = network(), network()
    for each in (model, other):
        each[0].register_forward_hook(lambda m, args, result: None)
    model.register_buffer("seen", np.zeros(2))
    before, buffers = state_of(model), [id(b) for b in model.buffers()]
    nn.summary(model, (2, 3, 5, 5))
    assert state_of(model) == before
    assert [id(b) for b in model.buffers()] == buffers
    with pytest.raises(ShapeError, match="channels"):
        nn.summary(model, (2, 4, 5, 5))
    assert state_of(model) == before
    x = np.random.default_rng(0).standard_normal((2, 3, 5, 5)).astype(np.float32)
    np.testing.assert_array_equal(model.train()(x).numpy(), other.train()(x).numpy())


def test_rows_of_a_network():
    report = nn.summary(network(), (2, 3, 5, 5))
    rows = {row.name: (row.kind, row.output_shape, row.parameters, row.flops) for row in report.layers}
    image = (2, 4, 5, 5)
    assert rows == {
        "": ("Sequential", (2, 10), 0, 0),
        "0": ("Conv2d", image, 16, 2 * 200 * 3),
        "1": ("Residual", image, 0, 200),
        "1.module": ("Sequential", image, 0, 0),
        "1.module.0": ("Conv2d", image, 4 * 4 * 9 + 4, 2 * 200 * 4 * 9),
        "1.module.1": ("BatchNorm2d", image, 8, 6 * 200),
        "1.module.2": ("ReLU", image, 0, 200),
        "2": ("Dropout", image, 0, 200),
        "3": ("Flatten", (2, 100), 0, 0),
        "4": ("Linear", (2, 10), 1010, 2 * 20 * 100),
    }
    assert list(rows) == [name for name, _ in network().named_modules()]
    assert report.parameters == report.trainable_parameters == sum(p.size for p in network().parameters())
    assert report.flops == sum(row.flops for row in report.layers)
    # The input needs no gradient, so the first convolution has one product in its backward pass and the others two.
    products = [2 * 200 * 3, 2 * (2 * 200 * 4 * 9), 2 * (2 * 20 * 100)]
    assert report.training_flops == report.flops + sum(products) + 200 + 6 * 200 + 200 + 200


def test_the_table_has_a_line_for_each_layer_and_the_totals():
    report = nn.summary(network(), (2, 3, 5, 5))
    lines = str(report).splitlines()
    assert repr(report) == str(report)
    assert lines[0].split() == ["layer", "type", "output", "shape", "parameters", "FLOPs"]
    assert [line.split()[0] for line in lines[2:12]] == [row.name or "(network)" for row in report.layers]
    assert lines[3].split() == ["0", "Conv2d", "(2,", "4,", "5,", "5)", "16", "1,200"]
    text = str(report)
    for total in (report.parameters, report.flops, report.training_flops):
        assert f"{total:,}" in text
    assert "frozen" not in text
    assert max(map(len, lines)) < 120


def test_frozen_parameters_cost_no_gradient():
    model = network()
    model[4].requires_grad_(False)
    report, full = (nn.summary(m, (2, 3, 5, 5), optimizer_state=2) for m in (model, network()))
    assert report.parameters == full.parameters
    assert report.trainable_parameters == full.parameters - 1010
    assert f"{1010:,} of them frozen" in str(report)
    assert report.flops == full.flops
    assert report.training_flops == full.training_flops - 2 * 20 * 100
    assert report.memory.parameters == full.memory.parameters == 4 * full.parameters
    assert report.memory.gradients == full.memory.gradients - 4 * 1010
    assert (report.memory.optimizer, full.memory.optimizer) == (
        2 * report.memory.gradients,
        2 * full.memory.gradients,
    )


class Functional(nn.Module):
    """Uses a layer's parameters without calling the layer, calls one twice, and one never."""

    def __init__(self):
        self.late = nn.Linear(4, 3, rng=0)
        self.twice = nn.Linear(4, 4, rng=0)
        self.never = nn.Linear(4, 4, rng=0)
        self.same = self.twice

    def forward(self, x):
        x = self.twice(self.twice(x))
        return sl.linear(x, self.late.weight, self.late.bias) * 2.0


def test_operations_belong_to_the_owner_of_their_parameters():
    report = nn.summary(Functional(), (5, 4))
    assert [(r.name, r.output_shape, r.parameters, r.flops) for r in report.layers] == [
        ("", (5, 3), 0, 15),
        ("twice", (5, 4), 20, 2 * (2 * 20 * 4)),
        ("late", (5, 3), 15, 2 * 15 * 4),
        ("never", None, 20, 0),
    ]
    assert report.parameters == 55


class TwoInputs(nn.Module):
    def forward(self, x, index):
        return {"sum": x + 1.0, "rest": [x * 2.0, index]}


def test_several_inputs_and_dtypes():
    report = nn.summary(TwoInputs(), [(2, 3), (4,)], dtype=[np.float64, np.int64])
    assert report.layers[0].output_shape == (2, 3)
    assert report.flops == 12
    with pytest.raises(ShapeError, match=r"one per input \(2\), but got 1"):
        nn.summary(TwoInputs(), [(2, 3), (4,)], dtype=[np.float64])


def test_the_dtype_is_that_of_the_parameters():
    model = nn.Linear(3, 2, dtype=np.float64)
    assert nn.summary(model, (3,)).layers[0].output_shape == (2,), "without a batch axis"
    with pytest.raises(TypeError, match="dtype"):
        nn.summary(model, (3,), dtype=np.float32)
    assert nn.summary(nn.ReLU(), (3,)).memory.parameters == 0


def test_under_no_grad_and_of_a_model_that_records_nothing():
    with no_grad():
        report = nn.summary(network(), (2, 3, 5, 5))
    assert report.training_flops > 2 * report.flops
    frozen = nn.summary(network().requires_grad_(False), (2, 3, 5, 5))
    assert frozen.training_flops == frozen.flops == report.flops
    assert frozen.memory.gradients == 0


def test_layers_with_backward_hooks():
    model = network()
    model[1].register_full_backward_hook(lambda *_: pytest.fail("nothing goes backward"))
    hooked, plain = (nn.summary(m, (2, 3, 5, 5)) for m in (model, network()))
    assert hooked.layers == plain.layers
    assert (hooked.flops, hooked.training_flops) == (plain.flops, plain.training_flops)


@pytest.mark.parametrize(("arguments", "error"), [
    ((nn.ReLU(), 5), ShapeError), ((nn.ReLU(), (2, "x")), TypeError), ((nn.ReLU(), (2, -1)), ShapeError),
    ((nn.ReLU, (2, 3)), TypeError), ((abs, (2, 3)), TypeError),
])  # fmt: skip
def test_wrong_arguments(arguments, error):
    with pytest.raises(error):
        nn.summary(*arguments)


def test_copies_of_a_summarised_model_work():
    model = network()
    nn.summary(model, (2, 3, 5, 5))
    assert copy.deepcopy(model)(Tensor(np.ones((2, 3, 5, 5), np.float32))).shape == (2, 10)
