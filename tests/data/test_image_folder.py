import os

import numpy as np
import pytest

from sevenloops.data import read_image_folder
from sevenloops.data.image_folder import holds_images
from sevenloops.errors import DataError, ShapeError
from tests.helpers.damage import is_one_sentence_about

Image = pytest.importorskip("PIL.Image")


def write(folder, shades, size=(6, 8), colour=False):
    """Write one plain image per shade, called after it; shades are chosen to be different everywhere in a test."""
    folder.mkdir(parents=True, exist_ok=True)
    for shade in shades:
        pixels = np.full((*size, 3) if colour else size, shade, np.uint8)
        Image.fromarray(pixels).save(folder / f"{shade:03}.png")


def shades_of(images):
    assert (images == images[:, :1, :1, :1]).all()
    return images[:, 0, 0, 0].tolist()


@pytest.fixture
def animals(tmp_path):
    folder = tmp_path / "animals"
    write(folder / "newt", range(0, 10))
    write(folder / "ant", range(50, 73))
    write(folder / "emu", range(100, 102))
    return folder


def test_one_sub_folder_per_class_is_split(animals):
    dataset = read_image_folder(animals)
    assert dataset.name == "animals"
    assert dataset.class_names == ("ant", "emu", "newt")
    assert dataset.image_shape == (1, 6, 8)
    train, test = shades_of(dataset.train_images), shades_of(dataset.test_images)
    assert sorted(train + test) == [*range(0, 10), *range(50, 73), *range(100, 102)]
    for images, labels in ((train, dataset.train_labels), (test, dataset.test_labels)):
        for shade, label in zip(images, labels):
            assert label == (0 if 50 <= shade < 100 else 1 if shade >= 100 else 2)
    # A fifth of each class, rounded: 23 -> 5, 2 -> at least one, 10 -> 2.
    assert np.bincount(dataset.test_labels).tolist() == [5, 1, 2]


def test_the_split_depends_on_the_seed_alone(animals):
    first, same, other = (read_image_folder(animals, seed=seed) for seed in (0, 0, 1))
    assert shades_of(first.test_images) == shades_of(same.test_images)
    assert shades_of(first.test_images) != shades_of(other.test_images)
    half = read_image_folder(animals, test_fraction=0.5)
    assert np.bincount(half.test_labels).tolist() == [12, 1, 5]
    most = read_image_folder(animals, test_fraction=0.99)
    assert np.bincount(most.train_labels).tolist() == [1, 1, 1]


def test_a_pair_of_train_and_test_is_used(tmp_path):
    write(tmp_path / "train" / "b", [1, 2])
    write(tmp_path / "train" / "a", [3])
    write(tmp_path / "train" / "c", [4])
    write(tmp_path / "test" / "b", [5, 6])
    write(tmp_path / "test" / "c", [7])
    dataset = read_image_folder(tmp_path, name="letters")
    assert (dataset.name, dataset.class_names) == ("letters", ("a", "b", "c"))
    assert (shades_of(dataset.train_images), dataset.train_labels.tolist()) == ([3, 1, 2, 4], [0, 1, 1, 2])
    assert (shades_of(dataset.test_images), dataset.test_labels.tolist()) == ([5, 6, 7], [1, 1, 2])


def test_a_class_of_the_test_part_alone_is_refused(tmp_path):
    for folder in ("train/a", "train/b", "test/a", "test/z"):
        write(tmp_path / folder, [1])
    with pytest.raises(DataError, match="z too") as caught:
        read_image_folder(tmp_path)
    assert is_one_sentence_about(caught.value, tmp_path / "test")


def test_channels_and_size(tmp_path):
    write(tmp_path / "a", [1, 2])
    write(tmp_path / "b", [3, 4])
    assert read_image_folder(tmp_path).image_shape == (1, 6, 8)
    assert read_image_folder(tmp_path, channels=3).image_shape == (3, 6, 8)
    assert read_image_folder(tmp_path, size=(9, 5)).image_shape == (1, 9, 5)
    assert read_image_folder(tmp_path, channels=3, size=10).image_shape == (3, 10, 10)
    write(tmp_path / "b", [5], colour=True)
    assert read_image_folder(tmp_path).image_shape == (3, 6, 8)
    assert read_image_folder(tmp_path, channels=1).image_shape == (1, 6, 8)
    write(tmp_path / "b", [6], size=(8, 6))
    assert read_image_folder(tmp_path).image_shape == (3, 32, 32)


def test_a_large_size_is_brought_down(tmp_path):
    write(tmp_path / "a", [1, 2], size=(32, 33))
    write(tmp_path / "b", [3, 4], size=(32, 33))
    assert read_image_folder(tmp_path).image_shape == (1, 32, 32)
    assert read_image_folder(tmp_path, size=(32, 33)).image_shape == (1, 32, 33)


def test_other_files_and_hidden_folders_are_left_out(animals):
    (animals / "notes.txt").write_text("mine")
    (animals / "ant" / "notes.txt").write_text("mine")
    (animals / "ant" / ".hidden.png").write_text("no image")
    write(animals / ".cache", [200])
    dataset = read_image_folder(animals)
    assert dataset.class_names == ("ant", "emu", "newt")
    assert len(dataset.train_images) + len(dataset.test_images) == 35


def test_links_are_followed(animals, tmp_path):
    outside = tmp_path / "outside"
    write(outside, [40, 41])
    (animals / "ant" / "link.png").symlink_to(outside / "040.png")
    (animals / "yak").symlink_to(outside, target_is_directory=True)
    dataset = read_image_folder(animals)
    assert dataset.class_names == ("ant", "emu", "newt", "yak")
    assert len(dataset.train_images) + len(dataset.test_images) == 35 + 1 + 2


def test_what_cannot_be_opened_is_named_and_not_left_out(animals):
    (animals / "ant" / "dangling.png").symlink_to(animals / "nowhere.png")
    with pytest.raises(FileNotFoundError, match=r"dangling\.png"):
        read_image_folder(animals)
    (animals / "ant" / "dangling.png").unlink()
    (animals / "ant" / "circle.png").symlink_to(animals / "ant" / "circle.png")
    with pytest.raises(OSError, match=r"circle\.png"):
        read_image_folder(animals)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names on this system")
def test_what_is_no_file_is_left_out(animals):
    os.mkfifo(animals / "ant" / "pipe.png")  # to open it would wait for ever
    (animals / "ant" / "folder.png").mkdir()
    dataset = read_image_folder(animals)
    assert len(dataset.train_images) + len(dataset.test_images) == 35


def test_a_broken_image_is_named(animals):
    broken = animals / "ant" / "060.png"
    broken.write_bytes(broken.read_bytes()[:50])
    with pytest.raises(DataError) as caught:
        read_image_folder(animals)
    assert is_one_sentence_about(caught.value, broken)


def test_folders_that_are_no_data_set(tmp_path):
    write(tmp_path / "a", [1, 2])
    with pytest.raises(DataError, match="at least two classes, but it has 1: a;"):
        read_image_folder(tmp_path)
    write(tmp_path / "b", [3])
    with pytest.raises(DataError, match="at least two images") as caught:
        read_image_folder(tmp_path)
    assert is_one_sentence_about(caught.value, tmp_path / "b")
    (tmp_path / "c").mkdir()
    with pytest.raises(DataError, match="no file there is one") as caught:
        read_image_folder(tmp_path)
    assert is_one_sentence_about(caught.value, tmp_path / "c")


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, float("nan")])
def test_the_test_fraction_lies_between_0_and_1(animals, fraction):
    with pytest.raises(ShapeError, match="test_fraction"):
        read_image_folder(animals, test_fraction=fraction)


def test_what_holds_images(tmp_path):
    assert not holds_images(tmp_path)
    (tmp_path / "empty").mkdir()
    assert not holds_images(tmp_path)
    write(tmp_path / "divided" / "train" / "a", [1])
    (tmp_path / "divided" / "test" / "a").mkdir(parents=True)
    assert holds_images(tmp_path / "divided")
    write(tmp_path / "full", [1])
    assert holds_images(tmp_path)
