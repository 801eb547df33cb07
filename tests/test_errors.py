import copy
import pickle

import pytest

from sevenloops import errors

VALUE_ERRORS = [
    errors.ShapeError,
    errors.UnknownAlgorithmError,
    errors.UnsupportedGeometryError,
    errors.DataError,
]


def test_every_exception_is_listed():
    defined = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert defined == set(errors.__all__)
    assert defined == {kind.__name__ for kind in VALUE_ERRORS} | {"MissingExtraError", "DownloadError"}


@pytest.mark.parametrize("kind", VALUE_ERRORS)
def test_wrong_values_are_value_errors_of_their_own(kind):
    assert issubclass(kind, ValueError)
    assert not any(issubclass(kind, other) for other in VALUE_ERRORS if other is not kind)


def test_a_missing_extra_says_what_for_and_how_to_get_it():
    error = errors.MissingExtraError("Reading PNG files", "pillow", "train")
    assert isinstance(error, ImportError)
    assert error.name == "pillow"
    assert str(error) == (
        "Reading PNG files needs pillow, which is not installed; run: pip install 'sevenloops[train]'"
    )


@pytest.mark.parametrize("travel", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
@pytest.mark.parametrize(
    "error",
    [errors.MissingExtraError("Drawing", "matplotlib", "train"), *(kind("3 is not 4.") for kind in VALUE_ERRORS)],
    ids=lambda error: type(error).__name__,
)
def test_errors_travel_between_processes(error, travel):
    """An exception that cannot be unpickled breaks the pool of processes it should be reported by."""
    arrived = travel(error)
    assert type(arrived) is type(error)
    assert str(arrived) == str(error)
    assert getattr(arrived, "name", None) == getattr(error, "name", None)
