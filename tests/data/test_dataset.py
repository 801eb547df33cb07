import numpy as np
import pytest

from sevenloops.data import Dataset
from sevenloops.errors import ShapeError


def parts(**changes):
    values = {
        "name": "tiny",
        "train_images": np.zeros((4, 3, 5, 6), np.uint8),
        "train_labels": np.array([0, 1, 1, 0]),
        "test_images": np.zeros((2, 3, 5, 6), np.uint8),
        "test_labels": np.array([1, 0]),
        "class_names": ("cat", "dog"),
    }
    return values | changes


def test_what_it_says_about_itself():
    dataset = Dataset(**parts())
    assert dataset.image_shape == (3, 5, 6)
    assert repr(dataset) == "Dataset 'tiny': 4 training and 2 test images of 3×5×6, 2 classes"


def test_an_empty_part_is_allowed():
    dataset = Dataset(**parts(test_images=np.zeros((0, 3, 5, 6), np.uint8), test_labels=np.zeros(0, np.int64)))
    assert len(dataset.test_images) == 0


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"train_images": np.zeros((4, 3, 5, 6))}, TypeError, "float64"),
        ({"test_labels": np.array([1, 0], np.int32)}, TypeError, "int32"),
        ({"train_images": np.zeros((4, 5, 6), np.uint8)}, ShapeError, r"\(4, 5, 6\)"),
        ({"test_labels": np.array([1, 0, 1])}, ShapeError, r"\(3,\)"),
        ({"train_labels": np.array([0, 1, 2, 0])}, ShapeError, "from 0 to 2"),
        ({"test_labels": np.array([-1, 0])}, ShapeError, "from -1 to 0"),
        ({"test_images": np.zeros((2, 1, 5, 6), np.uint8)}, ShapeError, r"\(1, 5, 6\)"),
    ],
)
def test_contradictions_are_refused(changes, error, message):
    with pytest.raises(error, match=message):
        Dataset(**parts(**changes))
