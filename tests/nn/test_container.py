import numpy as np
import pytest

from sevenloops import nn


class Add(nn.Module):
    def __init__(self, value):
        self.value = value
        self.weight = nn.Parameter(np.array([float(value)]))

    def forward(self, x):
        return [*x, self.value]


def test_sequential_calls_one_after_another():
    assert nn.Sequential(Add(1), Add(2), Add(3))([0]) == [0, 1, 2, 3]
    assert nn.Sequential()([0]) == [0]
    assert nn.Sequential({"b": Add(1), "a": Add(2)})([0]) == [0, 1, 2]
    shared = Add(1)
    assert nn.Sequential(shared, shared)([0]) == [0, 1, 1]


def test_names_are_places_or_given():
    assert list(nn.Sequential(Add(1), Add(2)).state_dict()) == ["0.weight", "1.weight"]
    assert list(nn.Sequential({"conv": Add(1), "act": Add(2)}).state_dict()) == ["conv.weight", "act.weight"]
    assert list(nn.ModuleList([Add(1), Add(2)]).state_dict()) == ["0.weight", "1.weight"]


@pytest.mark.parametrize("make", [lambda *m: nn.Sequential(*m), lambda *m: nn.ModuleList(m)])
def test_both_are_lists(make):
    modules = [Add(i) for i in range(4)]
    container = make(*modules)
    assert len(container) == 4
    assert list(container) == modules
    assert container[2] is modules[2]
    assert container[-1] is modules[3]
    assert container[np.int64(1)] is modules[1]
    part = container[1:3]
    assert type(part) is type(container)
    assert list(part) == modules[1:3]
    container[-4] = new = Add(9)
    assert list(container) == [new, *modules[1:]]
    assert container.append(modules[0]) is container
    assert container.extend([Add(7), Add(8)])[-1].value == 8
    assert [m.value for m in container] == [9, 1, 2, 3, 0, 7, 8]
    for index in (7, -8):
        with pytest.raises(IndexError, match=f"7, but got {index}"):
            container[index]
    with pytest.raises(TypeError):
        container[1.0]
    with pytest.raises(TypeError, match="function"):
        container.append(lambda x: x)
    with pytest.raises(TypeError, match="Module"):
        make(abs)


def test_a_part_keeps_the_names_of_a_sequential_and_numbers_those_of_a_list():
    sequential = nn.Sequential(Add(0), Add(1), Add(2))[1:]
    assert list(sequential.state_dict()) == ["1.weight", "2.weight"]
    with pytest.raises(ValueError, match="'2' is taken"):
        sequential.append(Add(3))
    assert list(nn.ModuleList([Add(0), Add(1)])[1:].state_dict()) == ["0.weight"]


def test_inserting_into_a_list():
    modules = nn.ModuleList([Add(0), Add(2)])
    modules.insert(1, Add(1))
    modules.insert(0, Add(-1))
    modules.insert(99, Add(3))
    assert [m.value for m in modules] == [-1, 0, 1, 2, 3]
    assert list(modules.state_dict()) == [f"{i}.weight" for i in range(5)]


def test_a_list_is_not_called():
    with pytest.raises(TypeError, match="ModuleList does not"):
        nn.ModuleList([Add(1)])(0)


def test_modules_by_name():
    first, second = Add(1), Add(2)
    modules = nn.ModuleDict({"one": first, "two": second})
    assert list(modules) == list(modules.keys()) == ["one", "two"]
    assert list(modules.values()) == [first, second]
    assert list(modules.items()) == [("one", first), ("two", second)]
    assert modules["two"] is second
    assert "one" in modules
    assert "three" not in modules
    assert len(modules) == 2
    assert list(modules.state_dict()) == ["one.weight", "two.weight"]
    modules["three"] = Add(3)
    modules.update([("one", Add(4))])
    assert [m.value for m in modules.values()] == [4, 2, 3]
    assert modules.pop("two") is second
    del modules["one"]
    assert list(modules.state_dict()) == ["three.weight"]
    with pytest.raises(KeyError):
        modules["two"]
    for name, error in (("a.b", ValueError), ("keys", ValueError), ("", ValueError), (3, TypeError)):
        with pytest.raises(error):
            modules[name] = first
    with pytest.raises(TypeError, match="Module"):
        modules["four"] = abs


def test_parameters_in_a_list():
    one = nn.Parameter(np.ones(1))
    parameters = nn.ParameterList([one, np.zeros((2, 2), np.float32)])
    parameters.append(nn.Parameter(np.ones(3), requires_grad=False)).extend([np.ones(4)])
    assert len(parameters) == 4
    assert parameters[0] is one
    assert [p.shape for p in parameters] == [(1,), (2, 2), (3,), (4,)]
    assert [p.requires_grad for p in parameters] == [True, True, False, True]
    assert list(parameters.state_dict()) == ["0", "1", "2", "3"]
    assert [p.shape for p in parameters[1:3]] == [(2, 2), (3,)]
    assert list(parameters[1:3].state_dict()) == ["0", "1"]
    parameters[-1] = new = nn.Parameter(np.zeros(5))
    assert parameters[3] is new
    for index in (4, -5):
        with pytest.raises(IndexError):
            parameters[index]
        with pytest.raises(IndexError):
            parameters[index] = new
