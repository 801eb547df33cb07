import copy
import pickle

import numpy as np
import pytest

from sevenloops import nn
from sevenloops.autograd import Tensor
from sevenloops.errors import ShapeError
from sevenloops.nn import Module, Parameter


class Leaf(Module):
    """A parameter, a buffer that is saved and one that is not, and attributes that are neither."""

    def __init__(self, value=0.0):
        self.count = 3
        self.weight = Parameter(np.full((2, 3), value, np.float32))
        self.bias = None
        self.register_buffer("mean", np.full(2, value))
        self.register_buffer("scratch", np.zeros(4), persistent=False)

    def forward(self, x, scale=1):
        return x * scale


class Tree(Module):
    def __init__(self):
        super().__init__()
        self.first = Leaf(1.0)
        self.own = Parameter(np.zeros(1))
        self.inner = nn.ModuleList([Leaf(2.0), Leaf(3.0)])


def names(pairs):
    return [name for name, _ in pairs]


# --- parameters --------------------------------------------------------------------------------------------------


def test_a_parameter_is_a_tensor_with_its_own_memory():
    data = np.ones(3, np.float32)
    parameter = Parameter(data)
    assert isinstance(parameter, Tensor)
    assert parameter.requires_grad
    assert not np.shares_memory(parameter.data, data)
    assert not Parameter(data, requires_grad=False).requires_grad
    assert not np.shares_memory(Parameter(Tensor(data)).data, data)
    (parameter * 2.0).sum().backward()
    np.testing.assert_array_equal(parameter.grad, [2, 2, 2])
    data.flags.writeable = False
    assert Parameter(data).data.flags.writeable
    with pytest.raises(TypeError, match="int64"):
        Parameter(np.arange(3))


def test_a_parameter_shows_what_it_is():
    assert repr(Parameter(np.ones((2, 1), np.float32))) == (
        "Parameter([[1.],\n           [1.]], dtype=float32, requires_grad=True)"
    )


# --- what belongs to a module ------------------------------------------------------------------------------------


def test_members_are_found_by_assignment():
    tree = Tree()
    leaf = ["weight"]
    assert names(tree.named_parameters()) == ["own", "first.weight", "inner.0.weight", "inner.1.weight"]
    assert names(tree.named_parameters(prefix="net", recurse=False)) == ["net.own"]
    assert names(tree.first.named_parameters()) == leaf
    assert names(tree.named_buffers())[:2] == ["first.mean", "first.scratch"]
    assert names(tree.named_buffers(recurse=False)) == []
    assert names(tree.named_modules()) == ["", "first", "inner", "inner.0", "inner.1"]
    assert names(tree.named_modules(prefix="net"))[:2] == ["net", "net.first"]
    assert names(tree.named_children()) == ["first", "inner"]
    assert [type(m) for m in tree.children()] == [Leaf, nn.ModuleList]
    assert next(tree.modules()) is tree
    assert [p is q for p, q in zip(tree.parameters(), [tree.own, tree.first.weight], strict=False)] == [True, True]
    assert [b is c for b, c in zip(tree.buffers(), [tree.first.mean], strict=False)] == [True]


def test_shared_members_are_yielded_once_and_saved_under_each_name():
    tree = Tree()
    tree.second = tree.first
    tree.tied = tree.own
    assert names(tree.named_parameters()) == ["own", "first.weight", "inner.0.weight", "inner.1.weight"]
    assert names(tree.named_parameters(remove_duplicate=False))[-1] == "second.weight"
    assert "second" not in names(tree.named_modules())
    assert "second" in names(tree.named_modules(remove_duplicate=False))
    assert names(tree.named_children()) == ["first", "inner"]
    assert {"tied", "own", "first.weight", "second.weight"} <= tree.state_dict().keys()


def test_replacing_members():
    leaf = Leaf()
    leaf.weight = Parameter(np.ones(5))
    assert [p.shape for p in leaf.parameters()] == [(5,)]
    leaf.weight = None
    assert list(leaf.parameters()) == []
    leaf.weight = Parameter(np.ones(5))
    del leaf.weight
    assert list(leaf.parameters()) == []
    leaf.mean = [1.0, 2.0]  # a buffer stays an array of its own
    assert isinstance(leaf.mean, np.ndarray)
    leaf.mean = None
    assert names(leaf.named_buffers()) == ["scratch"]
    del leaf.scratch
    assert names(leaf.named_buffers()) == []


@pytest.mark.parametrize("value", [np.ones((2, 3), np.float32), Tensor(np.ones(2)), 3.0])
def test_a_parameter_is_not_lost_by_mistake(value):
    leaf = Leaf()
    with pytest.raises(TypeError, match=r"'weight' of Leaf .* \.weight\.data"):
        leaf.weight = value
    assert len(list(leaf.parameters())) == 1


def test_a_module_is_not_lost_by_mistake():
    tree = Tree()
    with pytest.raises(TypeError, match="'first' of Tree was assigned a function"):
        tree.first = lambda x: x


def test_registering_by_name():
    module = Module()
    module.register_parameter("w", Parameter(np.ones(1)))
    module.register_parameter("absent", None)
    module.add_module("0", Leaf())
    module.register_buffer("none", None)
    assert names(module.named_parameters()) == ["w", "0.weight"]
    assert names(module.named_buffers()) == ["0.mean", "0.scratch"]
    data = np.ones(2)
    module.register_buffer("kept", data)
    assert not np.shares_memory(module.kept, data)
    for name, error in (
        ("a.b", ValueError),
        ("", ValueError),
        ("w", ValueError),
        ("forward", ValueError),
        (3, TypeError),
    ):
        with pytest.raises(error):
            module.add_module(name, Leaf())
    with pytest.raises(ValueError, match="'training'"):
        module.register_parameter("training", Parameter(np.ones(1)))
    with pytest.raises(TypeError, match="x must be a Module"):
        module.add_module("x", abs)
    with pytest.raises(TypeError, match="x must be a Parameter"):
        module.register_parameter("x", Tensor(np.ones(1)))
    with pytest.raises(TypeError, match="object"):
        module.register_buffer("x", np.array([None]))


# --- what can be done to it --------------------------------------------------------------------------------------


def test_calling_is_forward():
    assert Leaf()(3, scale=2) == 6
    with pytest.raises(TypeError, match="Module does not"):
        Module()(1)


def test_training_and_evaluation_reach_everything():
    tree = Tree()
    assert [m.training for m in tree.modules()] == [True] * 5
    assert tree.eval() is tree
    assert [m.training for m in tree.modules()] == [False] * 5
    tree.first.train()
    assert [m.training for m in tree.modules()] == [False, True, False, False, False]
    assert tree.train() is tree
    assert [m.training for m in tree.modules()] == [True] * 5
    with pytest.raises(TypeError, match="mode"):
        tree.train("yes")


def test_freezing_and_gradients():
    tree = Tree()
    assert tree.first.requires_grad_(False) is tree.first
    assert [p.requires_grad for p in tree.parameters()] == [True, False, True, True]
    tree.first.requires_grad_()
    for p in tree.parameters():
        p.grad = np.ones_like(p.data)
    tree.first.weight.grad = None
    held = tree.own.grad
    tree.zero_grad(set_to_none=False)
    assert tree.own.grad == 0
    assert held == 1  # what the caller has taken is still his
    assert tree.first.weight.grad is None
    tree.zero_grad()
    assert all(p.grad is None for p in tree.parameters())


def test_apply_visits_children_first():
    tree, seen = Tree(), []
    assert tree.apply(seen.append) is tree
    assert seen == [tree.first, *tree.inner, tree.inner, tree]


def test_copies_and_pickles_are_independent_and_keep_what_is_shared():
    tree = Tree()
    tree.tied = tree.own
    for clone in (copy.deepcopy(tree), pickle.loads(pickle.dumps(tree))):
        assert names(clone.named_parameters()) == names(tree.named_parameters())
        assert clone.tied is clone.own
        assert not np.shares_memory(clone.own.data, tree.own.data)
        clone.first.mean = np.ones(2)
        assert clone.first.state_dict().keys() == tree.first.state_dict().keys()


# --- state -------------------------------------------------------------------------------------------------------


def test_the_state_has_pytorchs_names_in_its_order():
    assert list(Tree().state_dict()) == [
        "own",
        "first.weight",
        "first.mean",
        "inner.0.weight",
        "inner.0.mean",
        "inner.1.weight",
        "inner.1.mean",
    ]
    assert list(Leaf().state_dict(prefix="net.")) == ["net.weight", "net.mean"]


def test_the_state_is_a_copy():
    leaf = Leaf(1.0)
    state = leaf.state_dict()
    assert all(type(array) is np.ndarray for array in state.values())
    leaf.weight.data[...] = 5
    leaf.mean[...] = 5
    assert (state["weight"] == 1).all()
    assert (state["mean"] == 1).all()


def test_a_state_is_copied_in():
    source, target = Tree(), Tree()
    for array in source._state():
        array[1][...] = np.random.default_rng(0).normal(size=array[1].shape)
    state = source.state_dict()
    before = [p.data for p in target.parameters()]
    assert target.load_state_dict(state) == ([], [])
    for name, array in target.state_dict().items():
        np.testing.assert_array_equal(array, state[name])
    assert all(p.data is data for p, data in zip(target.parameters(), before, strict=True))  # optimizers hold them
    state["own"][...] = 77
    assert target.own.data != 77


def test_tensors_lists_and_smaller_dtypes_are_copied_in():
    leaf = Leaf()
    leaf.load_state_dict({"weight": Tensor(np.full((2, 3), 0.5, np.float16)), "mean": [1.0, 2.0]})
    assert leaf.weight.dtype == np.float32
    assert (leaf.weight.data == 0.5).all()
    np.testing.assert_array_equal(leaf.mean, [1, 2])


def test_every_problem_is_listed_and_nothing_is_changed():
    tree = Tree()
    state = tree.state_dict()
    del state["own"]
    state["extra"] = np.ones(1)
    state["first.weight"] = np.ones((3, 2), np.float64)
    state["inner.0.mean"] = np.ones(2, np.int64)
    state["inner.1.weight"] = np.full((2, 3), 9, np.float32)
    with pytest.raises(ShapeError) as caught:
        tree.load_state_dict(state)
    for words in (
        "Tree",
        "own is missing",
        "extra is not expected",
        "first.weight has shape (3, 2) instead of (2, 3)",
        "first.weight is float64 instead of float32",
        "inner.0.mean is int64 instead of float64",
    ):
        assert words in str(caught.value)
    assert (tree.inner[1].weight.data == 3).all()


def test_the_order_is_that_of_becoming_a_parameter_or_module():
    """Optimizers number parameters by it, and their states travel to PyTorch and back."""
    tree = Module()
    tree.late = tree.later = None
    tree.register_parameter("reserved", None)
    tree.first, tree.last = Leaf(), Leaf()
    tree.later, tree.reserved, tree.late = Leaf(), Parameter(np.ones(1)), Leaf()
    assert [name for name, _ in tree.named_children()] == ["first", "last", "later", "late"]
    tree.first = None
    tree.first = Leaf()
    assert [name for name, _ in tree.named_children()] == ["first", "last", "later", "late"]
    tree.weight, tree.reserved = Parameter(np.ones(1)), None
    tree.reserved = Parameter(np.ones(1))
    assert [name for name, _ in tree.named_parameters(recurse=False)] == ["reserved", "weight"]


def test_a_module_without_init_takes_no_arguments():
    class Bare(Module):
        pass

    class Mixin:
        def __init__(self):
            self.mixed = True

    class Both(Module, Mixin):
        pass

    assert Bare().training
    assert Both().mixed
    for args, kwargs, said in [((3,), {}, "3"), ((1, 2), {"inplace": "b"}, "1, 2, inplace='b'")]:
        with pytest.raises(TypeError, match=f"^Bare takes no arguments, but got {said}; leave them out.$"):
            Bare(*args, **kwargs)
    with pytest.raises(TypeError, match=r"^Tanh takes no arguments, but got True; leave them out\.$"):
        nn.Tanh(True)


def test_a_buffer_loses_no_gradient_unsaid():
    leaf = Leaf(2.0)
    with pytest.raises(TypeError, match="A buffer is an array and carries no gradient, but 'mean' was assigned"):
        leaf.mean = leaf.weight.sum(1)
    with pytest.raises(TypeError, match="A buffer is an array and carries no gradient, but 'total' was assigned"):
        leaf.register_buffer("total", leaf.weight.sum())
    assert (leaf.mean == 2).all()
    leaf.mean = leaf.weight.detach().sum(1)
    assert (leaf.mean == 6).all()


def test_a_state_that_is_loaded_between_the_passes_is_noticed():
    leaf = Leaf(2.0)
    square = leaf.weight * leaf.weight
    leaf.load_state_dict({"weight": np.ones((2, 3), np.float32)}, strict=False)
    with pytest.raises(RuntimeError, match=r"a leaf of shape \(2, 3\) has been changed since multiply kept it"):
        square.sum().backward()
    square = leaf.weight * leaf.weight
    leaf.load_state_dict({"mean": np.ones(2)}, strict=False)
    square.sum().backward()
    assert (leaf.weight.grad == 2).all()


def test_without_strict_names_may_differ_and_shapes_may_not():
    leaf = Leaf()
    state = {"weight": np.ones((2, 3), np.float32), "other": np.ones(1)}
    result = leaf.load_state_dict(state, strict=False)
    assert result.missing_keys == ["mean"]
    assert result.unexpected_keys == ["other"]
    assert (leaf.weight.data == 1).all()
    with pytest.raises(ShapeError, match="has shape"):
        leaf.load_state_dict({"weight": np.ones(6, np.float32)}, strict=False)
    with pytest.raises(TypeError, match="list"):
        leaf.load_state_dict([])
    with pytest.raises(TypeError, match="strict"):
        leaf.load_state_dict({}, strict="no")


# --- looks -------------------------------------------------------------------------------------------------------


def test_the_repr_is_a_tree():
    class Net(Module):
        def __init__(self):
            self.conv = nn.Conv2d(1, 6, 5, padding=2)
            self.head = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))

        def extra_repr(self):
            return "depth=2"

    assert repr(Net()) == (
        "Net(\n"
        "  depth=2\n"
        "  (conv): Conv2d(1, 6, kernel_size=(5, 5), stride=(1, 1), padding=(2, 2))\n"
        "  (head): Sequential(\n"
        "    (0): Flatten(start_dim=1, end_dim=-1)\n"
        "    (1): Linear(in_features=4, out_features=2, bias=True)\n"
        "  )\n"
        ")"
    )
    assert repr(Module()) == "Module()"


# --- dtypes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "dtype"), [("half", np.float16), ("float", np.float32), ("double", np.float64)])
def test_conversion_reaches_parameters_gradients_and_float_buffers(name, dtype):
    model = nn.Sequential(nn.Conv2d(1, 2, 3, rng=0), nn.Sequential(nn.BatchNorm2d(2)))
    before = model.state_dict()
    for parameter in model.parameters():
        parameter.grad = np.ones_like(parameter.data)
    assert getattr(model, name)() is model
    for parameter in model.parameters():
        assert parameter.dtype == parameter.grad.dtype == dtype
    for key, value in model.state_dict().items():
        assert value.dtype == (np.int64 if key.endswith("num_batches_tracked") else dtype)
        np.testing.assert_array_equal(value, before[key].astype(value.dtype))
    assert model(np.zeros((2, 1, 5, 5), dtype)).dtype == dtype
    assert model[1][0].running_mean.dtype == dtype


def test_a_parameter_in_two_places_is_converted_once():
    shared = nn.Linear(2, 2, rng=0)
    model = nn.Sequential(shared, shared).to("float64")
    assert model[0].weight is model[1].weight
    assert model[0].weight.dtype == np.float64


@pytest.mark.parametrize("dtype", [np.int64, "complex64", bool])
def test_other_dtypes_are_refused_and_change_nothing(dtype):
    model = nn.Linear(2, 2, rng=0)
    with pytest.raises(TypeError, match="must be float16, float32 or float64, but got"):
        model.to(dtype)
    assert model.weight.dtype == np.float32
