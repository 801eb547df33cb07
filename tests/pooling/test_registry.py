import pytest

from sevenloops import backends
from sevenloops.errors import UnknownAlgorithmError
from sevenloops.pooling import algorithms, registry

assert algorithms  # importing the package fills the ladder


def test_the_ladder_in_its_order():
    assert registry.names() == ("loops", "im2col", "windows", "slices")
    assert registry.resolve("auto") in registry.names()


@pytest.mark.parametrize("name", registry.names())
@pytest.mark.parametrize("operation", ["max_pool", "avg_pool"])
@pytest.mark.parametrize("direction", ["forward", "input_grad"])
def test_every_rung_is_in_the_table_of_backends(name, operation, direction):
    assert backends.backends_of(f"{operation}/{name}", direction)[-1] == "numpy"
    assert registry.kernel(operation, direction, name) is backends.find(f"{operation}/{name}", direction)
    assert registry.resolve(name) == name


@pytest.mark.parametrize("direction", ["forward", "input_grad"])
def test_adaptive_pooling_too(direction):
    assert backends.backends_of("adaptive_max_pool", direction)[-1] == "numpy"
    assert backends.backends_of("adaptive_avg_pool", direction)[-1] == "numpy"


def test_an_unknown_name_lists_those_that_exist():
    with pytest.raises(
        UnknownAlgorithmError, match="\"auto\" or one of loops, im2col, windows, slices, but got 'fft'"
    ):
        registry.resolve("fft")
    with pytest.raises(TypeError, match="algorithm must be a name, but got 3"):
        registry.resolve(3)


@pytest.mark.parametrize("name", ["slices", "auto"])
def test_names_are_taken_once(name):
    function = lambda *arguments: None  # noqa: E731
    with pytest.raises(ValueError, match=f"{name!r} is taken"):
        registry.register(registry.PoolAlgorithm(name, "again", function, function, function, function))
