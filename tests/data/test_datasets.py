from pathlib import Path

import numpy as np
import pytest

from sevenloops.data import CIFAR10_CLASSES, DATASET_NAMES, IDX_FILES, digits, open_dataset, read_idx, write_idx
from sevenloops.data import datasets as module
from sevenloops.errors import DataError, ShapeError
from tests.helpers.damage import is_one_sentence_about
from tests.helpers.real_data import real_data

BUNDLED = Path(module.__file__).with_name("bundled")


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """No data set can be found but those that a test puts below tmp_path."""
    monkeypatch.delenv("SEVENLOOPS_DATA", raising=False)
    monkeypatch.setenv("SEVENLOOPS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_idx_set(folder, shade, labels=(0, 9)):
    folder.mkdir(parents=True)
    for name in IDX_FILES:
        pixels = np.full((len(labels), 2, 3), shade, np.uint8)
        write_idx(folder / name, pixels if "images" in name else np.array(labels, np.uint8))


def write_cifar_set(folder):
    folder.mkdir(parents=True)
    for name in ("data_batch_1.bin", "test_batch.bin"):
        (folder / name).write_bytes(bytes([7]) + bytes(3072))


def test_the_bundled_digits_are_balanced():
    dataset = digits()
    assert dataset.name == "digits"
    assert dataset.class_names == tuple("0123456789")
    assert dataset.train_images.shape == (6000, 1, 28, 28)
    assert dataset.test_images.shape == (1000, 1, 28, 28)
    assert np.bincount(dataset.train_labels).tolist() == [600] * 10
    assert np.bincount(dataset.test_labels).tolist() == [100] * 10


def test_the_bundled_digits_are_all_different_and_mixed():
    dataset = digits()
    images = np.concatenate([dataset.train_images, dataset.test_images]).reshape(7000, -1)
    assert len({image.tobytes() for image in images}) == 7000
    for start in range(0, 6000, 500):
        assert len(set(dataset.train_labels[start : start + 500].tolist())) == 10


def test_the_bundled_files_are_small_and_licensed():
    files = [BUNDLED / f"{name}.gz" for name in IDX_FILES]
    assert sum(path.stat().st_size for path in files) <= 1_600_000
    assert all(path.read_bytes()[:2] == b"\x1f\x8b" for path in files)
    licence = (BUNDLED / "LICENSE-digits.txt").read_text(encoding="utf-8")
    for phrase in ("CC BY-SA 3.0", "LeCun", "Cortes", "Burges", "Changes:"):
        assert phrase in licence
    assert "LICENSE-digits.txt" in (BUNDLED / "README.md").read_text(encoding="utf-8")


def test_digits_by_name():
    dataset = open_dataset("digits")
    np.testing.assert_array_equal(dataset.test_images, digits().test_images)


def test_named_sets_are_looked_for_in_three_places(elsewhere, monkeypatch):
    write_idx_set(elsewhere / "cache" / "data" / "mnist", 1)
    assert open_dataset("mnist").train_images[0, 0, 0, 0] == 1
    write_idx_set(elsewhere / "data" / "mnist", 2)
    assert open_dataset("mnist").train_images[0, 0, 0, 0] == 2
    write_idx_set(elsewhere / "mine" / "mnist", 3)
    monkeypatch.setenv("SEVENLOOPS_DATA", str(elsewhere / "mine"))
    dataset = open_dataset("mnist")
    assert dataset.train_images[0, 0, 0, 0] == 3
    assert (dataset.name, dataset.class_names) == ("mnist", tuple("0123456789"))


def test_named_sets_have_their_class_names(elsewhere):
    write_idx_set(elsewhere / "data" / "fashion-mnist", 1)
    write_cifar_set(elsewhere / "data" / "cifar10")
    fashion, cifar = open_dataset("fashion-mnist"), open_dataset("cifar10")
    assert (fashion.name, fashion.class_names[5], len(fashion.class_names)) == ("fashion-mnist", "Sandal", 10)
    assert (cifar.name, cifar.class_names[7], len(cifar.class_names)) == ("cifar10", "horse", 10)


@pytest.mark.parametrize("name", [name for name in DATASET_NAMES if name != "digits"])
def test_an_absent_set_says_which_files_go_where(elsewhere, monkeypatch, name):
    monkeypatch.setenv("SEVENLOOPS_DATA", str(elsewhere / "mine"))
    with pytest.raises(DataError) as caught:
        open_dataset(name)
    for folder in (elsewhere / "mine" / name, Path("data") / name, elsewhere / "cache" / "data" / name):
        assert is_one_sentence_about(caught.value, folder)
    for file in ("data_batch_1.bin", "test_batch.bin") if name == "cifar10" else IDX_FILES:
        assert file in str(caught.value)


def test_a_folder_is_recognised_by_what_it_holds(elsewhere):
    write_idx_set(elsewhere / "a", 1, labels=(0, 3))
    write_cifar_set(elsewhere / "b")
    letters = open_dataset("a")
    assert (letters.name, letters.class_names) == ("a", ("0", "1", "2", "3"))
    assert open_dataset(elsewhere / "b").class_names == CIFAR10_CLASSES


def test_a_folder_called_as_a_set_is_reached_by_its_path(elsewhere):
    write_idx_set(elsewhere / "mnist", 1, labels=(0, 1))
    for path in ("./mnist", Path("mnist")):
        assert open_dataset(path).class_names == ("0", "1")
    with pytest.raises(DataError, match="none of them exists"):
        open_dataset("mnist")


def test_a_folder_of_images(elsewhere):
    image = pytest.importorskip("PIL.Image")
    for name in ("cat", "dog"):
        (elsewhere / "pets" / name).mkdir(parents=True)
        for i in range(3):
            image.fromarray(np.full((5, 5), i, np.uint8)).save(elsewhere / "pets" / name / f"{i}.png")
    assert open_dataset("pets").image_shape == (1, 5, 5)
    dataset = open_dataset("pets", channels=3, size=(6, 7))
    assert (dataset.image_shape, dataset.class_names) == ((3, 6, 7), ("cat", "dog"))


def test_a_part_of_a_format_is_named_as_what_is_missing(elsewhere):
    write_idx_set(elsewhere / "a", 1)
    (elsewhere / "a" / IDX_FILES[2]).unlink()
    with pytest.raises(DataError, match=f"it has no {IDX_FILES[2]};"):
        open_dataset("a")
    write_cifar_set(elsewhere / "b")
    (elsewhere / "b" / "data_batch_1.bin").unlink()
    with pytest.raises(DataError, match=r"it has no data_batch_1\.bin;"):
        open_dataset("b")


def test_an_unknown_folder_says_what_was_looked_for(elsewhere):
    folder = elsewhere / "empty"
    folder.mkdir()
    with pytest.raises(DataError) as caught:
        open_dataset(folder)
    assert is_one_sentence_about(caught.value, folder)
    for looked_for in ("idx", "CIFAR-10", "sub-folder of images"):
        assert looked_for in str(caught.value)


def test_an_unknown_name_lists_the_known_ones(elsewhere):
    with pytest.raises(DataError, match=r"fashion-mnist, cifar10 or a folder that exists, .* minst"):
        open_dataset("minst")


def test_image_options_for_another_format_are_refused(elsewhere):
    write_idx_set(elsewhere / "a", 1)
    write_cifar_set(elsewhere / "b")
    for source in ("digits", "a", "b"):
        for options in ({"channels": 3}, {"size": 32}):
            with pytest.raises(ShapeError, match="folders of images only"):
                open_dataset(source, **options)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10"])
def test_the_published_sets(monkeypatch, name):
    monkeypatch.setenv("SEVENLOOPS_DATA", str(real_data(name).parent))
    dataset = open_dataset(name)
    assert dataset.name == name
    assert len(dataset.class_names) == 10
    assert len(dataset.train_images) > len(dataset.test_images) > 0
    if name == "mnist":  # what is bundled comes from it, training images from training images
        everything = {image.tobytes() for image in dataset.train_images}
        assert {image.tobytes() for image in digits().train_images} <= everything
        assert len(read_idx(BUNDLED / f"{IDX_FILES[2]}.gz")) == 1000
