"""What summary states of the memory of a training step, against what is allocated in one."""

import gc
import tracemalloc

import numpy as np
import pytest

import sevenloops as sl
from sevenloops import nn
from sevenloops.nn.step_memory import step_memory


def convolution(channels, rng):
    return nn.Conv2d(channels, 16, 3, padding=1, algorithm="im2col-lazy", max_workspace=200_000, rng=rng)


def residual():
    rng = np.random.default_rng(0)

    def block():
        return nn.Sequential(convolution(16, rng), nn.BatchNorm2d(16), nn.ReLU(), convolution(16, rng))

    return nn.Sequential(
        *(convolution(3, rng), nn.ReLU(), nn.Residual(block()), nn.MaxPool2d(2), nn.Residual(block()), nn.Tanh()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10, rng=rng)),
    ), (16, 3, 32, 32)


def layers_of_one_shape():
    rng = np.random.default_rng(0)
    return nn.Sequential(
        *(nn.Flatten(), nn.Linear(784, 500, rng=rng), nn.ReLU(), nn.Dropout(0.5, rng=rng), nn.LayerNorm(500)),
        *(nn.Residual(nn.Linear(500, 500, rng=rng)), nn.Sigmoid(), nn.Linear(500, 10, rng=rng)),
    ), (512, 1, 28, 28)


def small_batch():
    return layers_of_one_shape()[0], (4, 1, 28, 28)


def measured(make, **options):
    """Return the bytes that are in use at the worst moment of a step: all but the batch, which is there before."""
    size = make()[1]
    x = np.random.default_rng(0).standard_normal(size).astype(np.float32)
    labels = np.zeros(len(x), np.int64)
    sl.cross_entropy(make()[0](x), labels).backward()  # what is imported and cached the first time
    gc.collect()
    tracemalloc.start()
    try:
        model = make()[0]
        optimizer = sl.optim.SGD(model.parameters(), lr=0.01, **options)
        for _ in range(2):
            optimizer.zero_grad()
            gc.collect()
            tracemalloc.reset_peak()
            sl.cross_entropy(model(x), labels).backward()
            peak = tracemalloc.get_traced_memory()[1]
            optimizer.step()
        return peak
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("make", [residual, layers_of_one_shape, small_batch])
@pytest.mark.parametrize("slots", [0, 1])
def test_the_stated_memory_is_what_a_step_takes(make, slots, monkeypatch):
    monkeypatch.setenv("SEVENLOOPS_BACKEND", "numpy")  # workspaces, of which machine code has others, are not counted
    threads = sl.get_num_threads()
    sl.set_num_threads(1)  # each thread has workspaces of its own
    try:
        peak = measured(make, momentum=0.9 if slots else 0.0)
    finally:
        sl.set_num_threads(threads)
    stated = nn.summary(*make(), optimizer_state=slots).memory.total
    # Convolutions are allowed 200 kB of workspace here, and the optimizer keeps a strip of 256 kB.
    assert 0.98 * (peak - 460_000) <= stated <= 1.02 * peak


def test_by_hand():
    """relu(x·W): the product keeps x and W, which are there anyway, and relu its result."""
    x, weight = np.ones((100, 8)), sl.nn.Parameter(np.ones((8, 50)))
    product = sl.Tensor(x) @ weight
    result = sl.relu(product)
    nodes = [result.node, product.node]
    memory = step_memory(nodes, [result], [x, weight.data], [weight], [weight], 3)
    w, y = 8 * 50 * 8, 100 * 50 * 8
    # At the worst moment: W and 3 times as much of state, the result, its gradient and that of the product.
    assert memory == (w, w, 3 * w, y, 4 * w + 3 * y)


def test_gradients_that_are_handed_on_are_one():
    """In x.exp() + x.exp() both gradients of the sum are the gradient of the result itself."""
    x = sl.Tensor(np.ones(1000), requires_grad=True)
    left, right = x.exp(), x.exp()
    total = left + right
    nodes = sorted((t.node for t in (left, right, total)), key=lambda node: -node.serial)
    memory = step_memory(nodes, [total], [x.data], [], [x], 0)
    saved = 3 * 8000  # both exponentials and the sum
    # When the second exp is reached: the sum, one exponential, the gradient handed on, that of x and what is added.
    assert memory.saved == saved
    assert memory.total == saved + 2 * 8000
