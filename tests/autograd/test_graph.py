"""The walk back: sums over paths, order, memory, depth, threads, and rules that break their contract."""

import copy
import gc
import pickle
import threading
import time
import tracemalloc
import weakref
from math import prod

import numpy as np
import pytest

from sevenloops.autograd import Operation, Tensor, apply, grad, no_grad, note_change

ADD = Operation("add", lambda a, b: (a + b, None), lambda grad, saved, needs: (grad, grad))
SQUARE = Operation("square", lambda x: (x * x, x), lambda grad, saved, needs: (2 * saved * grad,))
PASS = Operation("pass", lambda x: (x.copy(), None), lambda grad, saved, needs: (grad,))
VIEW = Operation("view", lambda x: (x.reshape(-1), x.shape), lambda grad, saved, needs: (grad.reshape(saved),))
TOTAL = Operation("total", lambda x: (x.sum(), x.shape), lambda grad, saved, needs: (np.broadcast_to(grad, saved),))


def leaf(*values):
    return Tensor(np.array(values), requires_grad=True)


# --- sums over paths ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("uses", range(1, 6))
def test_gradients_of_all_uses_are_added(uses):
    x = leaf(2.0, 3.0)
    total = apply(SQUARE, x)
    for _ in range(uses - 1):
        total = apply(ADD, total, apply(SQUARE, x))
    total.backward(np.array([1.0, 10.0]))
    assert x.grad.tolist() == [uses * 4.0, uses * 60.0]


@pytest.mark.parametrize("seed", range(20))
def test_a_random_graph_against_forward_mode(seed):
    """Every path of a random acyclic graph counts: derivatives are also carried along with the values."""
    rng = np.random.default_rng(seed)
    x = leaf(float(rng.normal()))
    values, slopes = [x], [1.0]
    for _ in range(30):
        i, j = rng.integers(len(values), size=2)
        if rng.random() < 0.3:
            value, slope = apply(SQUARE, values[i]), 2 * float(values[i].item()) * slopes[i]
        else:
            value, slope = apply(ADD, values[i], values[j]), slopes[i] + slopes[j]
        if abs(value.item()) > 1e3:
            continue
        values.append(value)
        slopes.append(slope)
    if values[-1].is_leaf:
        return
    values[-1].backward()
    np.testing.assert_allclose(x.grad, [slopes[-1]], rtol=1e-12)


def test_a_node_is_visited_once_and_after_all_its_uses():
    visits = []

    def vjp(grad, saved, needs, *, name):
        visits.append(name)
        return (grad, grad)[: len(needs)]

    join = Operation("join", lambda *arrays, name: (sum(arrays), None), vjp)
    x = leaf(1.0)
    a = apply(join, x, name="a")
    b = apply(join, a, name="b")
    c = apply(join, b, a, name="c")
    d = apply(join, c, b, name="d")
    d.backward()
    assert visits == ["d", "c", "b", "a"]
    assert x.grad.tolist() == [3.0]


def test_leaves_accumulate_in_place_over_calls():
    x = leaf(1.0, 2.0)
    apply(SQUARE, x).backward(np.ones(2))
    first = x.grad
    apply(SQUARE, x).backward(np.ones(2))
    assert x.grad is first
    assert first.tolist() == [4.0, 8.0]


def test_backward_from_a_leaf_and_from_the_middle():
    x = leaf(1.0, 2.0)
    g = np.array([5.0, 6.0])
    x.backward(g)
    assert x.grad.tolist() == [5.0, 6.0]
    x.grad[:] = 0
    assert g.tolist() == [5.0, 6.0]


def test_inner_results_and_constants_get_no_gradient():
    x, constant = leaf(2.0), Tensor(np.array([3.0]))
    inner = apply(SQUARE, x)
    apply(ADD, inner, constant).backward()
    assert inner.grad is None
    assert constant.grad is None


TWINS = Operation("twins", lambda a, b: (a + b, None), lambda grad, saved, needs: (grad * 1,) * 2)
HALVES = Operation(
    "halves", lambda a, b: (a + b, None), lambda grad, saved, needs: tuple(np.repeat(grad[None], 2, axis=0))
)
MEAN = Operation(
    "mean", lambda x: (x.mean(), x.shape), lambda grad, saved, needs: (np.broadcast_to(grad / prod(saved), saved),)
)


@pytest.mark.parametrize("build", [
    lambda a, b: apply(ADD, a, b),
    lambda a, b: apply(TWINS, a, b),
    lambda a, b: apply(HALVES, a, b),
    lambda a, b: apply(ADD, apply(MEAN, a), apply(MEAN, b)),
    lambda a, b: apply(ADD, apply(PASS, a), b),
    lambda a, b: apply(ADD, apply(VIEW, a), apply(PASS, apply(VIEW, b))),
    lambda a, b: apply(TOTAL, apply(ADD, a, b)),
    lambda a, b: apply(SQUARE, apply(ADD, apply(VIEW, a), apply(VIEW, b))),
])  # fmt: skip
def test_every_leaf_owns_its_gradient(build):
    """Gradients that are one array, or views of one, must not change together when one is clipped in place."""
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    result = build(a, b)
    g = np.ones(result.shape)
    result.backward(g)
    expected = b.grad.copy()
    a.grad *= 100
    assert b.grad.tolist() == expected.tolist()
    assert np.all(g == 1)
    a.grad[0] = 7
    assert a.grad[1] != 7
    assert not np.shares_memory(a.grad, g)


def test_a_gradient_made_for_the_leaf_is_not_copied():
    made = []

    def vjp(grad, saved, needs):
        made.append((grad.T * 2).T)  # a view, but of memory that nobody else has
        return (made[-1],)

    x = Tensor(np.ones((3, 2)), requires_grad=True)
    apply(Operation("double", lambda x: (x * 2, None), vjp), x).backward(np.ones((3, 2)))
    assert x.grad is made[0]


def test_a_small_view_of_a_large_buffer_is_copied():
    operation = Operation(
        "slice", lambda x: (x * 2, None), lambda grad, saved, needs: (np.zeros((1000, *grad.shape))[0],)
    )
    x = leaf(1.0, 2.0)
    apply(operation, x).backward(np.ones(2))
    assert x.grad.base is None


# --- one pass per graph -------------------------------------------------------------------------------------------


def test_a_second_backward_is_refused():
    x = leaf(1.0)
    y = apply(SQUARE, x)
    y.backward()
    with pytest.raises(RuntimeError, match=r"freed.* at square; run the forward pass again"):
        y.backward()
    assert "freed" in repr(y.node)


def test_a_shared_trunk_is_freed_too():
    x = leaf(1.0)
    trunk = apply(SQUARE, x)
    first, second = apply(PASS, trunk), apply(PASS, trunk)
    first.backward()
    with pytest.raises(RuntimeError, match="at square"):
        second.backward()


# --- memory -------------------------------------------------------------------------------------------------------


def test_saved_arrays_are_released_by_backward_though_the_result_lives():
    x = leaf(*np.arange(1000.0))
    hidden = apply(SQUARE, x)
    array = weakref.ref(hidden.data)
    y = apply(SQUARE, hidden)
    del hidden
    assert array() is not None  # saved
    y.backward(np.ones(1000))
    assert array() is None
    assert y.node.inputs is None


def test_results_that_nothing_saved_die_with_their_tensor():
    x = leaf(*np.arange(1000.0))
    hidden = apply(PASS, x)
    array = weakref.ref(hidden.data)
    y = apply(PASS, hidden)
    del hidden
    assert array() is None
    y.backward(np.ones(1000))
    assert x.grad.sum() == 1000


def test_a_graph_that_is_dropped_dies_without_the_garbage_collector():
    gc.disable()
    try:
        y = apply(SQUARE, apply(SQUARE, leaf(1.0)))
        node, array = weakref.ref(y.node), weakref.ref(y.data)
        del y
        assert node() is None
        assert array() is None
    finally:
        gc.enable()


def test_backward_needs_memory_for_one_step_only():
    """Each of 20 steps saves 1 MB; on the way back gradients replace them, so the peak hardly rises."""
    x = Tensor(np.full(131072, 1e-3), requires_grad=True)
    size = x.data.nbytes
    tracemalloc.start()
    try:
        y = x
        for _ in range(20):
            y = apply(SQUARE, y)
        y = apply(TOTAL, y)
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        y.backward()
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert before > 18 * size
    assert peak - before < 4.5 * size
    assert after < 2.5 * size


def test_what_a_step_leaves_behind_is_gone_at_the_next_one():
    """Neither the constants of the last step nor its gradients, once they are added up, wait for the next one."""
    left_behind = []

    def outer(grad, saved, needs):
        left_behind.append(weakref.ref(share := grad * 2))
        return share, None

    def inner(grad, saved, needs):
        assert len(left_behind) == 4
        assert not any(reference() is not None for reference in left_behind)
        return (grad,)

    x = leaf(1.0)
    hidden = apply(Operation("inner", lambda x: (x * 1, None), inner), x)
    results = []
    for _ in range(2):
        constant = np.ones(1)
        left_behind.append(weakref.ref(constant))
        results.append(apply(Operation("outer", lambda a, b: (a + b, None), outer), hidden, constant))
    del constant
    y = apply(ADD, *results)
    results.clear()
    y.backward()
    assert x.grad.tolist() == [4.0]


# --- depth and time -----------------------------------------------------------------------------------------------


def test_a_chain_of_20000_operations():
    x = leaf(1.0)
    y = x
    for _ in range(20_000):
        y = apply(PASS, y)
    y.backward()
    assert x.grad.tolist() == [1.0]


def test_a_chain_of_100000_operations_is_dropped_without_recursion():
    y = leaf(1.0)
    for _ in range(100_000):
        y = apply(PASS, y)
    del y


def test_the_tape_costs_microseconds():
    """A generous limit (it takes about 3 µs): that of a small network must not be spent here."""
    x, times = leaf(1.0), []
    for _ in range(5):
        start = time.perf_counter()
        y = x
        for _ in range(1000):
            y = apply(ADD, y, x)
        y.backward()
        times.append((time.perf_counter() - start) / 1000)
    assert min(times) < 50e-6


# --- threads ------------------------------------------------------------------------------------------------------


def run_in_threads(functions):
    errors = []

    def guarded(function):
        try:
            function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(f,)) for f in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_threads_build_their_own_tapes_and_share_leaves():
    shared = Tensor(np.zeros(50_000), requires_grad=True)
    own = [leaf(float(i)) for i in range(2)]

    def work(i):
        for _ in range(200):
            apply(PASS, shared).backward(np.ones(50_000))
            y = own[i]
            for _ in range(20):
                y = apply(ADD, y, own[i])
            y.backward()

    run_in_threads([lambda i=i: work(i) for i in range(2)])
    assert np.all(shared.grad == 400)
    assert [x.grad.tolist() for x in own] == [[200 * 21.0]] * 2


def test_grad_mode_belongs_to_a_thread():
    x, seen = leaf(1.0), []
    with no_grad():
        run_in_threads([lambda: seen.append(apply(PASS, x).requires_grad)])
        assert not apply(PASS, x).requires_grad
    assert seen == [True]


# --- rules that break their contract ------------------------------------------------------------------------------


@pytest.mark.parametrize(("returned", "message"), [
    (lambda g: (g[:1], None), r"of broken .* shape \(2,\) and dtype float64 for input 0, but .* shape \(1,\)"),
    (lambda g: (g.astype(np.float32), None), "dtype float64 for input 0, but it returned shape .* float32"),
    (lambda g: (None, None), "for input 0, but it returned None"),
    (lambda g: (3.0, None), "for input 0, but it returned 3.0"),
    (lambda g: (np.float64(3), None), r"but it returned shape \(\) and"),
    (lambda g: (g,), "of broken must return one entry per input, but there are 2 inputs and it returned 1"),
    (lambda g: (g, None, None), "it returned 3"),
])  # fmt: skip
def test_a_wrong_gradient_is_an_error_of_the_operation(returned, message):
    broken = Operation("broken", lambda a, b: (a * 2, None), lambda grad, saved, needs: returned(grad))
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match=message):
        apply(broken, x, None).backward(np.ones(2))
    assert x.grad is None


def test_gradients_of_inputs_that_need_none_are_ignored():
    careless = Operation("careless", lambda a, b: (a + b, None), lambda grad, saved, needs: (grad, "anything"))
    x = leaf(1.0)
    apply(careless, x, Tensor([2.0])).backward()
    assert x.grad.tolist() == [1.0]


# --- leaves that are changed between the passes -------------------------------------------------------------------


def test_a_change_of_what_was_kept_is_noticed():
    x = leaf(2.0, 3.0)
    y = apply(SQUARE, x)
    x.data *= 2
    note_change(x)
    with pytest.raises(RuntimeError, match=r"a leaf of shape \(2,\) has been changed since square kept it"):
        y.backward(np.ones(2))
    assert x.grad is None
    apply(SQUARE, x).backward(np.ones(2))  # the forward pass of the new values
    assert x.grad.tolist() == [8.0, 12.0]


def test_a_change_of_a_view_of_what_was_kept_is_noticed_by_grad_too():
    x = leaf(2.0, 3.0)
    keep_view = Operation("flat", lambda x: (x * x, (None, [x[::-1]])), lambda grad, saved, needs: (grad,))
    y = apply(keep_view, x)
    note_change(x)
    with pytest.raises(RuntimeError, match="has been changed since flat kept it"):
        grad(y, x, np.ones(2))


def test_a_change_of_what_was_kept_of_a_view_is_noticed():
    x = leaf(2.0, 3.0)
    y = apply(SQUARE, apply(VIEW, x))
    note_change(x)
    with pytest.raises(RuntimeError, match="has been changed since square kept it"):
        y.backward(np.ones(2))


def test_a_change_of_what_nothing_has_kept_is_allowed():
    x, b = leaf(2.0, 3.0), leaf(1.0, 1.0)
    y = apply(ADD, apply(SQUARE, x), b)
    b.data += 1
    note_change(b)
    y.backward(np.ones(2))
    assert b.grad.tolist() == [1.0, 1.0]
    assert x.grad.tolist() == [4.0, 6.0]


def test_a_copy_has_not_been_changed():
    x = leaf(2.0, 3.0)
    note_change(x)
    copies = [copy.deepcopy(x), pickle.loads(pickle.dumps(x))]
    assert [c._changed for c in copies] == [0, 0]


def test_a_leaf_that_is_frozen_after_the_forward_pass_gets_no_gradient():
    x, w = leaf(2.0, 3.0), leaf(1.0, 1.0)
    y = apply(ADD, apply(SQUARE, x), w)
    w.requires_grad = False
    y.backward(np.ones(2))
    assert w.grad is None
    assert x.grad.tolist() == [4.0, 6.0]
