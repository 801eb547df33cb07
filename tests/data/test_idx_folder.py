import numpy as np
import pytest

from sevenloops.data import IDX_FILES, read_idx_folder, write_idx
from sevenloops.errors import DataError
from tests.helpers.damage import is_one_sentence_about

RNG = np.random.default_rng(0)
ARRAYS = {
    IDX_FILES[0]: RNG.integers(0, 256, (6, 4, 5), dtype=np.uint8),
    IDX_FILES[1]: np.array([0, 2, 1, 1, 0, 3], np.uint8),
    IDX_FILES[2]: RNG.integers(0, 256, (3, 4, 5), dtype=np.uint8),
    IDX_FILES[3]: np.array([1, 0, 2], np.uint8),
}


def write_folder(folder, spelling="{}", **changes):
    for name, array in (ARRAYS | changes).items():
        if array is not None:
            write_idx(folder / spelling.format(name), array)
    return folder


@pytest.mark.parametrize("spelling", ["{}", "{}.gz"])
@pytest.mark.parametrize("dotted", [False, True])
def test_the_four_files_become_a_dataset(tmp_path, spelling, dotted):
    for name, array in ARRAYS.items():
        write_idx(tmp_path / spelling.format(name.replace("-idx", ".idx") if dotted else name), array)
    dataset = read_idx_folder(tmp_path)
    assert dataset.name == tmp_path.name
    assert dataset.class_names == ("0", "1", "2", "3")
    assert dataset.image_shape == (1, 4, 5)
    np.testing.assert_array_equal(dataset.train_images[:, 0], ARRAYS[IDX_FILES[0]])
    np.testing.assert_array_equal(dataset.train_labels, ARRAYS[IDX_FILES[1]])
    np.testing.assert_array_equal(dataset.test_images[:, 0], ARRAYS[IDX_FILES[2]])
    np.testing.assert_array_equal(dataset.test_labels, ARRAYS[IDX_FILES[3]])
    assert dataset.test_labels.dtype == np.int64


def test_names_may_be_given(tmp_path):
    dataset = read_idx_folder(write_folder(tmp_path), name="letters", class_names=tuple("abcde"))
    assert (dataset.name, dataset.class_names) == ("letters", tuple("abcde"))


def test_a_missing_file_is_named(tmp_path):
    write_folder(tmp_path, **{IDX_FILES[1]: None})
    with pytest.raises(DataError, match=f"it has no {IDX_FILES[1]};") as caught:
        read_idx_folder(tmp_path)
    assert is_one_sentence_about(caught.value, tmp_path)


@pytest.mark.parametrize(
    ("file", "array"),
    [
        (0, np.zeros((6, 4, 5), np.int32)),
        (0, np.zeros((6, 20), np.uint8)),
        (0, np.zeros((6, 0, 5), np.uint8)),
        (1, np.zeros(5, np.uint8)),
        (1, np.zeros((6, 1), np.uint8)),
        (1, np.zeros(6, np.int32)),
        (2, np.zeros((3, 4, 4), np.uint8)),
        (3, np.array([1, 0, 4], np.uint8)),
    ],
)
def test_contradictions_name_the_file(tmp_path, file, array):
    write_folder(tmp_path, **{IDX_FILES[file]: array})
    with pytest.raises(DataError) as caught:
        read_idx_folder(tmp_path, class_names=tuple("abcd"))
    assert is_one_sentence_about(caught.value, tmp_path / IDX_FILES[file])


def test_a_set_without_images_is_refused(tmp_path):
    empty = {IDX_FILES[2]: np.zeros((0, 4, 5), np.uint8), IDX_FILES[3]: np.zeros(0, np.uint8)}
    write_folder(tmp_path, **empty)
    with pytest.raises(DataError, match="at least one image"):
        read_idx_folder(tmp_path)
