"""The memory of a training step, stated: what must live at each moment, from the shapes, and a workspace.

The network is x -> conv -> relu -> pool -> conv -> relu -> pool -> linear -> loss. The sizes below are those of the
results of its layers; a relu has the size of its convolution.
"""

import gc
import tracemalloc
import weakref
from contextlib import contextmanager
from math import prod

import numpy as np
import pytest

import sevenloops as sl

BATCH, KIB = 32, 1024
FLOAT, INDEX, POSITION = 4, 2, 8  # bytes: of float32, of the index of a maximum as it is kept, and as it is computed

CONV1 = prod((BATCH, 16, 32, 32)) * FLOAT
POOL1 = prod((BATCH, 16, 16, 16)) * FLOAT
CONV2 = prod((BATCH, 32, 16, 16)) * FLOAT
POOL2 = prod((BATCH, 32, 8, 8)) * FLOAT
INDICES1, INDICES2 = POOL1 // FLOAT * INDEX, POOL2 // FLOAT * INDEX
POSITIONS1, POSITIONS2 = POOL1 // FLOAT * POSITION, POOL2 // FLOAT * POSITION
SHAPES = {"w1": (16, 3, 3, 3), "b1": (16,), "w2": (32, 16, 3, 3), "b2": (32,), "w3": (10, 2048), "b3": (10,)}
WEIGHTS = sum(map(prod, SHAPES.values())) * FLOAT

#: What an operation may need beside its inputs and results: what convolutions are allowed, and strips of pooling.
WORKSPACE = 512 * KIB
#: Labels, logits, Python's objects, and the tuples that Python keeps for the next ones.
REST = 256 * KIB

#: What the backward pass needs: the relus' results (the convolution's own are gone), which pooling does not keep but
#: for the indices of its maxima, and the inputs of the convolution and of the linear layer. x is not ours.
SAVED = CONV1 + INDICES1 + POOL1 + CONV2 + INDICES2 + POOL2

FORWARD = {
    "relu 1": 2 * CONV1,
    "pool 1": CONV1 + POOL1 + POSITIONS1 + INDICES1,
    "conv 2": CONV1 + INDICES1 + POOL1 + CONV2,
    "relu 2": CONV1 + INDICES1 + POOL1 + 2 * CONV2,
    "pool 2": SAVED + POSITIONS2,
}
#: What is still saved, the gradients that come in and go out, and those of the weights so far.
BACKWARD = {
    "linear": SAVED + POOL2 + WEIGHTS,
    "pool 2": CONV1 + INDICES1 + POOL1 + CONV2 + INDICES2 + POSITIONS2 + POOL2 + CONV2 + WEIGHTS,
    "relu 2": CONV1 + INDICES1 + POOL1 + CONV2 + 2 * CONV2 + WEIGHTS,
    "conv 2": CONV1 + INDICES1 + POOL1 + CONV2 + POOL1 + WEIGHTS,
    "pool 1": CONV1 + INDICES1 + POSITIONS1 + POOL1 + CONV1 + WEIGHTS,
    "relu 1": CONV1 + 2 * CONV1 + WEIGHTS,
    "conv 1": CONV1 + WEIGHTS,
}


class Traced:
    """Bytes that were allocated since the start of the block, now and at most."""

    def __init__(self):
        self.base = tracemalloc.get_traced_memory()[0]

    def now(self):
        return tracemalloc.get_traced_memory()[0] - self.base

    def peak(self):
        peak = tracemalloc.get_traced_memory()[1] - self.base
        tracemalloc.reset_peak()
        return peak


@contextmanager
def traced():
    gc.collect()
    tracemalloc.start()
    try:
        yield Traced()
    finally:
        tracemalloc.stop()


class Network:
    def __init__(self):
        rng = np.random.default_rng(0)
        self.x = rng.standard_normal((BATCH, 3, 32, 32)).astype(np.float32)
        self.labels = rng.integers(0, 10, BATCH)
        self.weights = {
            name: sl.Tensor(rng.standard_normal(shape).astype(np.float32) * 0.1, requires_grad=True)
            for name, shape in SHAPES.items()
        }

    def loss(self):
        w = self.weights
        h = sl.conv2d(self.x, w["w1"], w["b1"], padding=1, max_workspace=WORKSPACE)
        h = sl.relu(h)  # a line of its own: here the convolution's result dies, and not after the pooling
        h = sl.max_pool2d(h, 2)
        h = sl.conv2d(h, w["w2"], w["b2"], padding=1, max_workspace=WORKSPACE)
        h = sl.relu(h)
        h = sl.max_pool2d(h, 2)
        return sl.cross_entropy(sl.linear(h.flatten(1), w["w3"], w["b3"]), self.labels)


@pytest.fixture(scope="module")
def network():
    """Return a network that has trained a step, so that plans and caches exist."""
    network = Network()
    network.loss().backward()
    return network


def test_a_training_step_has_the_memory_that_is_stated(network):
    for weight in network.weights.values():
        weight.grad = None
    with traced() as memory:
        loss = network.loss()
        assert SAVED <= memory.now() <= SAVED + REST
        assert memory.peak() <= max(FORWARD.values()) + WORKSPACE + REST
        loss.backward()
        assert memory.peak() <= max(BACKWARD.values()) + WORKSPACE + REST
        assert WEIGHTS <= memory.now() <= WEIGHTS + REST  # the graph is alive, but empty
        del loss
        assert WEIGHTS <= memory.now() <= WEIGHTS + REST


def test_the_statement_would_notice_what_is_not_freed():
    """The bound of the backward pass leaves no room for what belongs to an earlier moment."""
    assert max(BACKWARD.values()) + WORKSPACE + REST < SAVED + 2 * CONV1 + WEIGHTS


def test_the_second_step_adds_gradients_in_place(network):
    network.loss().backward()
    grads = [weight.grad for weight in network.weights.values()]
    with traced() as memory:
        network.loss().backward()
        assert memory.peak() <= max(BACKWARD.values()) + WORKSPACE + REST
        assert memory.now() <= REST
    assert all(weight.grad is grad for weight, grad in zip(network.weights.values(), grads))


def test_no_grad_holds_two_activations_at_a_time(network):
    with sl.no_grad(), traced() as memory:
        network.loss()
        assert memory.peak() <= 2 * CONV1 + WORKSPACE + REST
        assert memory.now() <= REST


def test_frozen_layers_keep_no_activations():
    """The gradient by an image needs the weights, the signs of the relus and the indices, but no layer's input."""
    network = Network()
    for weight in network.weights.values():
        weight.requires_grad = False
    x = sl.Tensor(network.x, requires_grad=True)
    network.x = x
    sl.grad(network.loss(), x)
    with traced() as memory:
        loss = network.loss()
        assert memory.now() <= CONV1 + INDICES1 + CONV2 + INDICES2 + REST
        sl.grad(loss, x)


# --- deep graphs --------------------------------------------------------------------------------------------------

DEPTH, LENGTH = 10_000, 4096
ROW = LENGTH * 8
NODE = 1024  # bytes, at most, of a node with its tuples
CACHES = 512 * KIB  # of Python, for the next tuples: not more for deeper graphs


@pytest.mark.parametrize("operation", [
    lambda x: x + 1e-3,
    lambda x: x * 0.999,
    lambda x: 1e-3 - x,
    lambda x: x / 1.001,
    lambda x: -x,
    lambda x: x.reshape(64, 64).T.reshape(LENGTH),
    lambda x: x.flip(0),
])  # fmt: skip
def test_a_deep_graph_keeps_no_results_that_its_gradients_do_not_read(operation):
    x = sl.Tensor(np.ones(LENGTH), requires_grad=True)
    with traced() as memory:
        y = x
        for _ in range(DEPTH // 3):
            y = operation(y)
        assert memory.peak() <= DEPTH * NODE + 4 * ROW
        y.backward(np.ones(LENGTH))
        assert memory.peak() <= DEPTH * NODE + 8 * ROW
        del y
        assert memory.now() <= ROW + CACHES


def test_a_deep_graph_is_freed_as_it_goes():
    """Each result is saved; on the way back one gradient takes the place of each."""
    x = sl.Tensor(np.full(LENGTH, 1e-9), requires_grad=True)
    with traced() as memory:
        y = x
        for _ in range(DEPTH):
            y = y.sin()
        saved = (DEPTH - 1) * ROW
        assert saved <= memory.now() <= saved + DEPTH * NODE + 2 * ROW
        array = weakref.ref(y.data)
        y.backward(np.ones(LENGTH))
        assert memory.peak() <= saved + DEPTH * NODE + 6 * ROW
        assert memory.now() <= DEPTH * NODE + 2 * ROW
        del y
        assert array() is None
        assert memory.now() <= ROW + CACHES


def test_a_graph_that_is_retained_is_kept_and_then_freed():
    x = sl.Tensor(np.ones(LENGTH), requires_grad=True)
    with traced() as memory:
        y = x
        for _ in range(20):
            y = y.sin()
        for _ in range(3):
            y.backward(np.ones(LENGTH), retain_graph=True)
            assert memory.now() >= 19 * ROW
        y.backward(np.ones(LENGTH))
        assert memory.now() <= 2 * ROW + REST
