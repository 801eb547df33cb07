"""Tensor itself: what it accepts and shows, the checks of `backward`, and the switch for recording."""

import copy
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import sevenloops as sl
from sevenloops.autograd import Operation, apply

DOUBLE = Operation("double", lambda x: (x * 2, None), lambda grad, saved, needs: (grad * 2,))
FLOATS = (np.float16, np.float32, np.float64)


# --- data ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS)
def test_arrays_are_shared(dtype):
    data = np.arange(6, dtype=dtype).reshape(2, 3)
    x = sl.Tensor(data, requires_grad=True)
    assert x.data is data
    assert x.numpy() is data
    assert (x.shape, x.dtype, x.ndim, x.size, len(x)) == ((2, 3), dtype, 2, 6, 2)
    assert x.requires_grad
    assert x.is_leaf
    assert x.grad is None


def test_lists_and_numbers_become_arrays():
    assert sl.Tensor([[1.0, 2.0]]).dtype == np.float64
    assert sl.Tensor(2.5).shape == ()
    assert sl.Tensor(sl.Tensor([1.0])).data.tolist() == [1.0]


def test_foreign_byte_order_and_alignment_are_converted():
    swapped = np.arange(3.0).astype(np.dtype(np.float64).newbyteorder())
    assert sl.Tensor(swapped).dtype.isnative
    assert sl.Tensor(np.arange(3).astype(np.dtype(np.int32).newbyteorder())).dtype.isnative
    unaligned = np.zeros(25, np.uint8)[1:].view(np.float64)
    assert sl.Tensor(unaligned).data.flags.aligned


@pytest.mark.parametrize("data", [[1, 2], [True, False], np.zeros(3, np.uint8)])
def test_labels_are_allowed_without_a_gradient(data):
    assert not sl.Tensor(data).requires_grad
    with pytest.raises(TypeError, match=r"can require a gradient, but this one is .*; convert"):
        sl.Tensor(data, requires_grad=True)
    with pytest.raises(TypeError, match="can require a gradient"):
        sl.Tensor(data).requires_grad_()


@pytest.mark.parametrize("data", [[1j], ["a"], [None], [object()]])
def test_other_dtypes_are_refused(data):
    with pytest.raises(TypeError, match="float16, float32 or float64"):
        sl.Tensor(data)


def test_item_and_numbers():
    assert sl.Tensor([[3.0]]).item() == 3.0
    assert type(sl.Tensor(np.float32(3)).item()) is float
    assert float(sl.Tensor([3.5])) == 3.5
    assert int(sl.Tensor([3.5])) == 3
    with pytest.raises(sl.errors.ShapeError, match=r"exactly one element, but the shape is \(2,\)"):
        sl.Tensor([1.0, 2.0]).item()


def test_truth_is_the_value_and_not_the_length():
    assert not sl.Tensor([0.0])
    assert sl.Tensor(1.0)
    with pytest.raises(ValueError, match="ambiguous"):
        bool(sl.Tensor([1.0, 2.0]))


def test_no_length_without_axes():
    with pytest.raises(TypeError, match="no length"):
        len(sl.Tensor(1.0))


def test_numpy_takes_its_values_but_not_its_place():
    x = sl.Tensor([1.0, 2.0], requires_grad=True)
    assert np.asarray(x) is x.data
    assert np.array(x) is not x.data
    assert np.asarray(x, np.float32).dtype == np.float32
    assert isinstance(np.ones(2) + x, sl.Tensor)
    assert isinstance(np.float64(2) * x, sl.Tensor)
    assert isinstance(np.ones((2, 2)) @ x, sl.Tensor)
    with pytest.raises(TypeError, match="ufunc"):
        np.exp(x)
    with pytest.raises(ValueError, match="without a copy"):
        np.asarray(x, np.float32, copy=False)


def test_repr():
    x = sl.Tensor(np.array([1, 2], np.float32), requires_grad=True)
    assert repr(x) == "Tensor([1., 2.], dtype=float32, requires_grad=True)"
    assert repr(x.detach()) == "Tensor([1., 2.], dtype=float32)"
    assert repr(apply(DOUBLE, x)) == "Tensor([2., 4.], dtype=float32, made by double)"


def test_detach_shares_memory_and_has_no_history():
    x = sl.Tensor([1.0], requires_grad=True)
    y = apply(DOUBLE, x)
    detached = y.detach()
    assert detached.data is y.data
    assert not detached.requires_grad
    assert detached.is_leaf
    assert not y.is_leaf


def test_leaves_copy_and_pickle_and_results_do_not():
    x = sl.Tensor([1.0, 2.0], requires_grad=True)
    x.grad = np.array([3.0, 4.0])
    for other in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert other.requires_grad
        assert other.grad.tolist() == [3.0, 4.0]
        assert not np.shares_memory(other.data, x.data)
    with pytest.raises(RuntimeError, match=r"result of double; use \.detach"):
        copy.deepcopy(apply(DOUBLE, x))


def test_requires_grad_is_switched_on_leaves_only():
    x = sl.Tensor([1.0], requires_grad=True)
    y = apply(DOUBLE, x)
    with pytest.raises(RuntimeError, match=r"only be switched off on leaves, .* double; use \.detach"):
        y.requires_grad = False
    y.requires_grad = True
    x.requires_grad = False
    assert not apply(DOUBLE, x).requires_grad
    assert x.requires_grad_() is x
    assert x.requires_grad


# --- backward -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(), (1,), (1, 1, 1)])
@pytest.mark.parametrize("dtype", FLOATS)
def test_one_element_needs_no_cotangent(shape, dtype):
    x = sl.Tensor(np.ones(shape, dtype), requires_grad=True)
    apply(DOUBLE, x).backward()
    assert x.grad.shape == shape
    assert x.grad.dtype == dtype
    assert float(x.grad.sum()) == 2


@pytest.mark.parametrize("g", [[1.0, 3.0], np.array([1, 3], np.float32), sl.Tensor(np.array([1, 3], np.float32))])
def test_cotangents(g):
    x = sl.Tensor(np.ones(2, np.float32), requires_grad=True)
    apply(DOUBLE, x).backward(g)
    assert x.grad.tolist() == [2.0, 6.0]
    assert x.grad.dtype == np.float32


def test_wrong_cotangents_are_one_sentence():
    x = sl.Tensor(np.ones((2, 3), np.float32), requires_grad=True)
    y = apply(DOUBLE, x)
    with pytest.raises(sl.errors.ShapeError, match=r"one element, but its shape is \(2, 3\); pass backward\(g\)"):
        y.backward()
    with pytest.raises(sl.errors.ShapeError, match=r"g has \(3, 2\) and the Tensor \(2, 3\)"):
        y.backward(np.ones((3, 2), np.float32))
    with pytest.raises(TypeError, match=r"g is float64 and the Tensor float32; convert it with g\.astype"):
        y.backward(np.ones((2, 3)))
    y.backward(np.ones((2, 3), np.float32))  # the graph has survived the mistakes


def test_backward_needs_something_to_differentiate():
    for x in (sl.Tensor([1.0]), apply(DOUBLE, sl.Tensor([1.0]))):
        with pytest.raises(RuntimeError, match="needs a Tensor that requires a gradient"):
            x.backward()


# --- the switch ---------------------------------------------------------------------------------------------------


def test_nesting_and_exceptions_restore_the_mode():
    def nested():
        seen.append(sl.is_grad_enabled())
        with sl.enable_grad():
            seen.append(sl.is_grad_enabled())
            with sl.no_grad():
                seen.append(sl.is_grad_enabled())
        seen.append(sl.is_grad_enabled())
        raise KeyError

    seen = [sl.is_grad_enabled()]
    with pytest.raises(KeyError), sl.no_grad():
        nested()
    assert [*seen, sl.is_grad_enabled()] == [True, False, True, False, False, True]


def test_one_switch_can_be_entered_again():
    off = sl.no_grad()
    with off, sl.enable_grad(), off:
        assert not sl.is_grad_enabled()
    assert sl.is_grad_enabled()


def test_as_a_decorator():
    @sl.no_grad()
    def quiet(depth):
        """Say so."""
        return (not sl.is_grad_enabled()) and (depth == 0 or quiet(depth - 1))

    @sl.enable_grad()
    def loud():
        return sl.is_grad_enabled()

    assert quiet(3)
    assert quiet.__doc__ == "Say so."
    with sl.no_grad():
        assert loud()
    assert sl.is_grad_enabled()


def test_a_decorated_function_runs_in_several_threads_at_once():
    """The first to enter is the first to leave, which one shared stack of modes would not survive."""
    first_is_in, second_is_in, first_is_out = (threading.Event() for _ in range(3))

    @sl.no_grad()
    def quiet(entered, leave):
        entered.set()
        assert leave.wait(10)
        return not sl.is_grad_enabled()

    def first():
        inside = quiet(first_is_in, second_is_in)
        first_is_out.set()
        return inside, sl.is_grad_enabled()

    def second():
        assert first_is_in.wait(10)
        return quiet(second_is_in, first_is_out), sl.is_grad_enabled()

    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(first), pool.submit(second)]
        assert [call.result() for call in calls] == [(True, True)] * 2


def test_functions_that_suspend_are_not_decorated():
    def numbers():
        yield 1

    async def later():
        return 1

    for function in (numbers, later):
        with pytest.raises(TypeError, match=f"no_grad can decorate plain functions only, but {function.__name__}"):
            sl.no_grad()(function)
