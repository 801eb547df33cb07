"""Whole data sets with damaged, lying and malicious files: read, or refused in one sentence, in bounded memory."""

import gzip
import io
import struct
import tracemalloc
import zlib
from random import Random

import numpy as np
import pytest

from sevenloops.data import Dataset, load_image, open_dataset, read_idx, read_image_folder
from sevenloops.errors import DataError
from tests.helpers.damage import attempt, is_one_sentence_about, mutate
from tests.helpers.threads import run
from tests.helpers.tiny_sets import tiny_digits, write_cifar_folder, write_idx_folder

IDX_DTYPES = {0x08: 1, 0x09: 1, 0x0B: 2, 0x0C: 4, 0x0D: 4, 0x0E: 8}


def peak_of(read):
    """The most memory that Python and NumPy had at a time, in bytes."""
    tracemalloc.start()
    try:
        read()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("packed", [False, True])
def test_headers_that_lie(tmp_path, packed):
    """Lengths of axes from nothing to four billion, over a file of at most a thousand bytes."""
    random = Random(packed)
    path = tmp_path / "images"
    refused = 0

    def read_all():
        nonlocal refused
        for _ in range(1500):
            code = random.choice(list(IDX_DTYPES))
            lengths = [random.choice([0, 1, 3, 28, 60_000, 2**31, 2**32 - 1]) for _ in range(random.randint(1, 5))]
            held = random.randbytes(random.choice([0, 1, 3, 84, 1000]))
            content = bytes([0, 0, code, len(lengths)]) + struct.pack(f">{len(lengths)}I", *lengths) + held
            path.unlink(missing_ok=True)
            path.write_bytes(gzip.compress(content, 1) if packed else content)
            array, error = attempt(read_idx, path)
            if error is not None:
                assert is_one_sentence_about(error, path)
                refused += 1
            else:
                assert array.shape == tuple(lengths)
                assert array.nbytes == len(held)

    assert peak_of(read_all) < 4 << 20
    assert 500 < refused < 1500


def check(dataset):
    assert isinstance(dataset, Dataset)
    for images, labels in (
        (dataset.train_images, dataset.train_labels),
        (dataset.test_images, dataset.test_labels),
    ):
        assert len(images) == len(labels) > 0
        assert images.nbytes < 1 << 20
        assert 0 <= labels.min() <= labels.max() < len(dataset.class_names)


@pytest.mark.parametrize("kind", ["idx", "idx.gz", "cifar"])
def test_a_set_with_a_mutated_file(tmp_path, kind):
    if kind == "cifar":
        folder = write_cifar_folder(tmp_path / "set", 2, 2)
    else:
        folder = write_idx_folder(tmp_path / "set", tiny_digits(3, 2))
    refused = read = 0

    def read_all():
        nonlocal refused, read
        for plain in sorted(folder.iterdir()):
            content, path = plain.read_bytes(), plain
            if kind == "idx.gz":
                plain.unlink()
                content, path = gzip.compress(content, mtime=0), folder / f"{plain.name}.gz"
            for _ in mutate(path, content, 350, seed=len(content)):
                dataset, error = attempt(open_dataset, folder)
                if error is not None:
                    assert is_one_sentence_about(error, folder)
                    refused += 1
                else:
                    check(dataset)
                    read += 1
            path.write_bytes(content)

    assert peak_of(read_all) < 8 << 20
    assert refused > 150
    assert read > 20


def bomb(header, mebibytes):
    """A gzip file that holds a header and then zeros."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    pieces = [packer.compress(header), *(packer.compress(bytes(1 << 20)) for _ in range(mebibytes))]
    return b"".join(pieces) + packer.flush()


@pytest.mark.parametrize("name", ["train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz"])
def test_a_bomb_in_a_set(tmp_path, name):
    folder = write_idx_folder(tmp_path / "set", tiny_digits(3, 2))
    (folder / name).with_suffix("").unlink()
    (folder / name).write_bytes(bomb(struct.pack(">BBBBI", 0, 0, 8, 1, 3), 100))

    def read():
        with pytest.raises(DataError) as caught:
            open_dataset(folder)
        assert is_one_sentence_about(caught.value, folder / name)

    assert peak_of(read) < 4 << 20


# --- images ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pillow():
    return pytest.importorskip("PIL.Image")


def encode(pillow, form, mode="RGB", size=(12, 9), **options):
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    buffer = io.BytesIO()
    pillow.fromarray(pixels).convert(mode).save(buffer, form, **options)
    return buffer.getvalue()


FORMS = [("png", "RGB"), ("png", "LA"), ("png", "P"), ("jpeg", "RGB"), ("jpeg", "CMYK"), ("gif", "P"), ("bmp", "L")]


@pytest.mark.parametrize(("form", "mode"), FORMS)
def test_an_image_that_ends_too_early(pillow, tmp_path, form, mode):
    whole = encode(pillow, form, mode)
    path = tmp_path / f"image.{form}"
    path.write_bytes(whole)
    expected = load_image(path, 3)
    for length in range(len(whole)):
        path.unlink()
        path.write_bytes(whole[:length])
        image, error = attempt(load_image, path, 3)
        if error is not None:
            assert str(path) in str(error)
            assert "\n" not in str(error)
        else:  # only what comes after the pixels may be missing
            assert length > len(whole) - 30
            np.testing.assert_array_equal(image, expected)


def test_a_png_with_any_wrong_bit(pillow, tmp_path):
    whole = encode(pillow, "png", "L", (5, 4))
    path = tmp_path / "image.png"
    path.write_bytes(whole)
    expected = load_image(path, 1)
    refused = 0
    for at in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[at // 8] ^= 1 << at % 8
        path.unlink()
        path.write_bytes(damaged)
        image, error = attempt(load_image, path, 1)
        if error is None:  # such as in the checksum of what comes after the pixels
            np.testing.assert_array_equal(image, expected)
        else:
            refused += 1
    assert refused > 0.9 * 8 * len(whole)


def liar(pillow, form, width, height, size=(4, 4)):
    """A file of a few bytes whose header promises so many pixels."""
    content = bytearray(encode(pillow, form, "P" if form == "gif" else "L", size))
    if form == "png":
        content[16:24] = struct.pack(">II", width, height)
        content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    elif form == "gif":
        content[6:10] = struct.pack("<HH", width, height)
    elif form == "bmp":
        content[18:26] = struct.pack("<II", width, height)
    elif form == "ppm":
        return b"P6 %d %d 255\n" % (width, height) + bytes(100)
    return bytes(content)


@pytest.mark.parametrize("form", ["png", "gif", "bmp", "ppm"])
def test_an_image_that_promises_too_much(pillow, tmp_path, form):
    path = tmp_path / f"image.{form}"
    path.write_bytes(liar(pillow, form, 9000, 9000))
    with pytest.raises(DataError) as caught:
        load_image(path, 3, 8)
    assert is_one_sentence_about(caught.value, path)
    assert f"at most {1 << 24} pixels" in str(caught.value)
    assert "promises 9000×9000" in str(caught.value)


def test_a_large_image_of_a_large_file_is_read(pillow, tmp_path):
    path = tmp_path / "large.png"
    pillow.fromarray(np.arange(5000 * 5000, dtype=np.uint32).view(np.uint8)[::4].reshape(5000, 5000)).save(path)
    assert load_image(path, 1, 4).shape == (1, 4, 4)
    before = pillow.MAX_IMAGE_PIXELS
    try:
        pillow.MAX_IMAGE_PIXELS = None
        assert load_image(path, 1, 4).shape == (1, 4, 4)
        pillow.MAX_IMAGE_PIXELS = 13_000_000  # where Pillow itself only warns
        with pytest.warns(pillow.DecompressionBombWarning), pytest.raises(DataError, match="at most 13000000 pixels"):
            load_image(path, 1, 4)
    finally:
        pillow.MAX_IMAGE_PIXELS = before


LIARS = """
import resource, sys, warnings
from sevenloops.data import load_image
from sevenloops.errors import DataError
warnings.simplefilter("ignore")  # Pillow's, of so many pixels
load_image(sys.argv[1], 3, 8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[2:]:
    try:
        load_image(path, 3, 8)
    except DataError:
        pass
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.skipif("sys.platform != 'linux'", reason="counts memory in KiB, as Linux does")
def test_the_memory_of_liars(pillow, tmp_path):
    paths = []
    good = tmp_path / "good.png"
    good.write_bytes(encode(pillow, "png"))
    for form in ("png", "gif", "bmp", "ppm"):
        for width, height in ((9000, 9000), (65_000, 65_000), (4000, 4000)):
            paths.append(tmp_path / f"{width}-{height}.{form}")
            paths[-1].write_bytes(liar(pillow, form, width, height))
    code = f"import sys\nsys.argv[1:] = {[str(path) for path in [good, *paths]]!r}\n{LIARS}"
    (mebibytes,) = run(code)
    assert int(mebibytes) < 200  # Pillow takes four bytes for each of at most 16 million pixels


def test_a_folder_of_damaged_images(pillow, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for i in range(3):
            (tmp_path / name / f"{i}.png").write_bytes(encode(pillow, "png", "L", (4, 4)))
    path = tmp_path / "b" / "1.png"
    refused = 0
    for _ in mutate(path, path.read_bytes(), 300, seed=0):
        dataset, error = attempt(read_image_folder, tmp_path)
        if error is not None:
            assert str(path) in str(error)
            refused += 1
        else:
            assert dataset.train_images.shape[1] == 1
    assert refused > 150
