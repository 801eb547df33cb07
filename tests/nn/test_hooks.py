import copy
import gc
import weakref

import numpy as np
import pytest

from sevenloops import nn
from sevenloops.autograd import Tensor, grad, no_grad
from sevenloops.testing import check_gradients


class Scale(nn.Module):
    def __init__(self, factor=2.0):
        self.factor = nn.Parameter(np.array(factor))

    def forward(self, x, *, shift=0.0):
        return self.factor * x + shift


class Swap(nn.Module):
    """Two arguments, a constant between them, two results."""

    def forward(self, x, constant, y):
        return y * constant, x * y


def test_pre_hooks_see_and_replace_the_arguments():
    module, seen = Scale(), []
    module.register_forward_pre_hook(lambda m, args: seen.append((m, args)))
    x = np.array([1.0, 2.0])
    assert module(x).numpy().tolist() == [2, 4]
    assert seen[0][0] is module
    assert seen[0][1][0] is x
    module.register_forward_pre_hook(lambda m, args: args[0] + 1)
    assert module(x).numpy().tolist() == [4, 6]
    module.register_forward_pre_hook(lambda m, args: (args[0] * 10,), prepend=True)
    assert module(x).numpy().tolist() == [22, 42], "what is prepended comes first"


def test_forward_hooks_see_and_replace_the_result():
    module, seen = Scale(), []
    module.register_forward_hook(lambda m, args, result: seen.append((args, result)))
    module.register_forward_hook(lambda m, args, result: result + args[0])
    module.register_forward_hook(lambda m, args, result: result * 10, prepend=True)
    assert module(np.array([1.0])).numpy().tolist() == [21]
    ((args, result),) = seen
    assert (args[0].tolist(), result.numpy().tolist()) == ([1], [20])


def test_hooks_with_kwargs():
    module, seen = Scale(), []
    module.register_forward_pre_hook(lambda m, args, kwargs: (args, {"shift": kwargs["shift"] + 1}), with_kwargs=True)
    module.register_forward_hook(lambda m, args, kwargs, result: seen.append(kwargs), with_kwargs=True)
    assert module(np.array([1.0]), shift=5.0).numpy().tolist() == [8]
    assert seen == [{"shift": 6.0}]
    module.register_forward_pre_hook(lambda m, args, kwargs: args, with_kwargs=True)
    with pytest.raises(TypeError, match=r"must return \(args, kwargs\) or None"):
        module(np.array([1.0]), shift=5.0)


@pytest.mark.parametrize(
    "register", ["register_forward_pre_hook", "register_forward_hook", "register_full_backward_hook"]
)
def test_handles_remove_their_hook_only(register):
    module, calls = Scale(), []
    first = getattr(module, register)(lambda *_: calls.append(1))
    second = getattr(module, register)(lambda *_: calls.append(2))

    def run():
        calls.clear()
        module(Tensor(np.array([1.0]), requires_grad=True)).backward(np.array([1.0]))
        return calls

    assert run() == [1, 2]
    first.remove()
    assert run() == [2]
    first.remove()
    with getattr(module, register)(lambda *_: calls.append(3)):
        assert run() == [2, 3]
    second.remove()
    assert run() == []
    with pytest.raises(TypeError, match="must be a function"):
        getattr(module, register)(3)


def test_a_hook_may_remove_itself_and_others():
    module, calls = Scale(), []
    handles = []

    def once(*_):
        calls.append(1)
        for handle in handles:
            handle.remove()

    handles += [module.register_forward_hook(once), module.register_forward_hook(lambda *_: calls.append(2))]
    module(np.array([1.0]))
    module(np.array([1.0]))
    assert calls == [1, 2]


def test_backward_hooks_see_all_gradients_at_once():
    module, seen = Swap(), []
    module.register_full_backward_hook(lambda m, grad_input, grad_output: seen.append((grad_input, grad_output)))
    x, y = (Tensor(np.array(v), requires_grad=True) for v in ([2.0, 3.0], [5.0, 7.0]))
    a, b = module(x, 10.0, y)
    (a * np.array([1.0, 2.0]) + b * np.array([3.0, 4.0])).sum().backward()
    ((grad_input, grad_output),) = seen
    assert [g.tolist() for g in grad_output] == [[1, 2], [3, 4]]
    assert grad_input[1] is None
    assert grad_input[0].tolist() == x.grad.tolist() == [15, 28]
    assert grad_input[2].tolist() == y.grad.tolist() == [10 + 6, 20 + 12]
    assert not any(g.flags.writeable for g in (*grad_output, grad_input[0]))


def test_a_result_without_gradient_and_an_argument_without_use():
    module, seen = Swap(), []
    module.register_full_backward_hook(lambda m, *grads: seen.append(grads))
    x, y = (Tensor(np.array(v), requires_grad=True) for v in ([2.0], [5.0]))
    module(x, 10.0, y)[0].backward(np.array([1.0]))
    (((dx, constant, dy), (da, db)),) = seen
    assert constant is db is None
    assert (da.tolist(), dx.tolist(), dy.tolist(), y.grad.tolist()) == ([1], [0], [10], [10])


def test_backward_hooks_replace_the_gradients_of_the_arguments():
    module = Scale()
    module.register_full_backward_hook(lambda m, grad_input, grad_output: (grad_input[0] * 100,))
    module.register_full_backward_hook(lambda m, grad_input, grad_output: grad_input[0] + 1)
    x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    (module(x * 3.0)).backward(np.array([1.0, 10.0]))
    assert x.grad.tolist() == [3 * 201, 3 * 2001]
    assert module.factor.grad == 3 + 60, "those of the parameters are as they were"
    for wrong, message in ((np.ones(3), r"\(3,\) in the place of \(2,\)"), ((x, x), "as many gradients")):
        with (
            module.register_full_backward_hook(lambda *_, wrong=wrong: wrong),
            pytest.raises(ValueError, match=message),
        ):
            module(x).backward(np.ones(2))


def test_backward_hooks_of_a_module_at_the_start_of_a_network():
    model, seen = nn.Sequential(Scale(2.0), Scale(3.0)), []
    model[0].register_full_backward_hook(lambda m, *grads: seen.append(grads))
    model(np.array([1.0, 2.0])).backward(np.array([1.0, 10.0]))
    (((dx,), (dy,)),) = seen
    assert dx is None
    assert dy.tolist() == [3, 30]


def test_backward_hooks_once_per_call_of_a_module():
    module, seen = Scale(), []
    module.register_full_backward_hook(lambda m, grad_input, grad_output: seen.append(float(grad_output[0])))
    x = Tensor(np.array(1.0), requires_grad=True)
    module(module(x)).backward()
    assert seen == [1, 2]
    assert x.grad == 4


def test_a_graph_that_is_kept_calls_them_each_time():
    module, seen = Scale(), []
    module.register_full_backward_hook(lambda m, grad_input, grad_output: seen.append(float(grad_input[0])))
    x = Tensor(np.array(1.0), requires_grad=True)
    y = module(x * 3.0)
    y.backward(retain_graph=True)
    assert grad(y, [x], retain_graph=True)[0].item() == 6
    y.backward()
    assert seen == [2, 2, 2]
    assert x.grad == 12


def test_nothing_is_recorded_where_nothing_needs_a_gradient():
    module = Scale()
    module.register_full_backward_hook(lambda *_: pytest.fail("called"))
    with no_grad():
        assert not module(Tensor(np.array(1.0), requires_grad=True)).requires_grad
    module.requires_grad_(False)
    assert module(np.array(2.0)).numpy() == 4


def test_gradients_are_right_behind_gates():
    module = Swap()
    module.register_full_backward_hook(lambda *_: None)
    rng = np.random.default_rng(0)
    check_gradients(lambda x, y: module(x, 3.0, y)[1], rng.standard_normal(4), rng.standard_normal(4))


def test_gates_keep_no_array_of_their_own():
    """Of 2·x neither the product nor tanh, which keeps its result, needs the values; nor may the gate keep them."""
    module = nn.Tanh()
    module.register_full_backward_hook(lambda *_: None)
    x = Tensor(np.ones(5), requires_grad=True)
    between = x * 2.0
    values = weakref.ref(between.data)
    y = module(between)
    del between
    gc.collect()
    assert values() is None
    y.sum().backward()
    assert x.grad is not None


def test_copies_have_hooks_of_their_own():
    module = Scale()
    module.register_forward_hook(lambda m, args, result: result * 10)
    other = copy.deepcopy(module)
    module._forward_hooks.clear()
    assert (module(np.array(1.0)).item(), other(np.array(1.0)).item()) == (2, 20)


@pytest.mark.parametrize("pack", [lambda y: [y], lambda y: {"y": y}], ids=["list", "dict"])
def test_a_backward_hook_that_would_never_be_called_is_an_error(pack):
    class Packed(nn.Module):
        def forward(self, x):
            return pack(x * 2.0)

    module, x = Packed(), Tensor(np.ones(2), requires_grad=True)
    with module.register_full_backward_hook(lambda *args: None):
        with pytest.raises(
            TypeError, match=r"must return a Tensor or a tuple of Tensors, but Packed returned a (list|dict)"
        ):
            module(x)
        with no_grad():
            module(x)
        module(np.ones(2))
    module(x)
