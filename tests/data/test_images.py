import builtins
import io

import numpy as np
import pytest

from sevenloops.data import load_image
from sevenloops.data.images import image_header, is_image_name
from sevenloops.errors import DataError, MissingExtraError, ShapeError
from tests.helpers.damage import attempt, is_one_sentence_about, mutate

Image = pytest.importorskip("PIL.Image")

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (4, 6), dtype=np.uint8)
RGB = RNG.integers(0, 256, (4, 6, 3), dtype=np.uint8)


def save(folder, pixels, name="image.png", **options):
    path = folder / name
    Image.fromarray(pixels).save(path, **options)
    return path


def luma(red, green, blue):
    return 0.299 * red + 0.587 * green + 0.114 * blue


def test_grey_and_colour(tmp_path):
    np.testing.assert_array_equal(load_image(save(tmp_path, GREY), 1), GREY[np.newaxis])
    np.testing.assert_array_equal(load_image(save(tmp_path, GREY), 3), np.stack([GREY] * 3))
    colours = load_image(str(save(tmp_path, RGB)), 3)
    assert (colours.shape, colours.dtype, colours.flags.c_contiguous) == ((3, 4, 6), np.uint8, True)
    for channel in range(3):
        np.testing.assert_array_equal(colours[channel], RGB[:, :, channel])
    expected = luma(*(RGB[:, :, channel].astype(float) for channel in range(3)))
    assert abs(load_image(tmp_path / "image.png", 1)[0] - expected).max() <= 1


def test_size_is_height_and_width(tmp_path):
    path = save(tmp_path, RGB)
    assert load_image(path, 3, (5, 9)).shape == (3, 5, 9)
    assert load_image(path, 1, 7).shape == (1, 7, 7)
    # Halving an image of 2×2 blocks keeps the order of the blocks; a constant stays constant.
    blocks = np.kron(np.array([[0, 250, 0], [250, 0, 250]], np.uint8), np.ones((8, 8), np.uint8))
    small = load_image(save(tmp_path, blocks), 1, (2, 3))[0]
    np.testing.assert_array_equal(small > 125, [[False, True, False], [True, False, True]])
    assert (load_image(save(tmp_path, np.full((9, 5), 77, np.uint8)), 1, 4) == 77).all()


def test_sixteen_bits_are_rounded_to_eight(tmp_path):
    values = np.array([[0, 128, 129, 257, 32768, 65535]], np.uint16)
    expected = [[round(v * 255 / 65535) for v in values[0].tolist()]]
    np.testing.assert_array_equal(load_image(save(tmp_path, values), 1)[0], expected)
    with pytest.raises(DataError, match="from 0 to 70000"):
        load_image(save(tmp_path, np.array([[0, 70000]], np.int32), "image.tif"), 1)
    with pytest.raises(DataError, match="floats"):
        load_image(save(tmp_path, np.array([[0, 0.5]], np.float32), "image.tif"), 1)


def test_many_pixels_of_sixteen_bits(tmp_path):
    values = np.random.default_rng(1).integers(0, 65536, (1200, 1000), np.uint16)  # more than are rounded at once
    expected = np.rint(values / 257)
    np.testing.assert_array_equal(load_image(save(tmp_path, values, compress_level=0), 1)[0], expected)


def test_printers_inks(tmp_path):
    inks = RNG.integers(0, 256, (4, 6, 4), dtype=np.uint8)
    expected = (255 - inks[..., :3].astype(float)) * (255 - inks[..., 3:].astype(float)) / 255
    Image.frombytes("CMYK", (6, 4), inks.tobytes()).save(tmp_path / "image.tif")
    colours = load_image(tmp_path / "image.tif", 3).transpose(1, 2, 0)
    assert abs(colours - expected).max() <= 1.5
    grey = load_image(tmp_path / "image.tif", 1)[0]
    assert abs(grey - luma(*np.moveaxis(expected, 2, 0))).max() <= 2.5
    plain = np.zeros((8, 8, 4), np.uint8)
    plain[..., 0] = 200  # a JPEG holds inks inverted; cyan must not come out as red
    Image.frombytes("CMYK", (8, 8), plain.tobytes()).save(tmp_path / "image.jpg", quality=95)
    assert abs(load_image(tmp_path / "image.jpg", 3)[:, 4, 4].astype(int) - [55, 255, 255]).max() <= 4
    assert image_header(tmp_path / "image.jpg") == (3, (8, 8))


@pytest.mark.parametrize("mode", ["LAB", "HSV", "YCbCr"])
def test_other_colour_spaces_are_read_or_refused(tmp_path, mode):
    path = tmp_path / "image.tif"
    try:
        Image.frombytes(mode, (6, 4), RGB.tobytes()).save(path)
    except OSError:
        pytest.skip(f"no TIFF file holds {mode}")
    image, error = attempt(load_image, path, 3)
    assert error is None or is_one_sentence_about(error, path)
    assert error is not None or image.shape == (3, 4, 6)


def test_of_an_animation_the_first_frame(tmp_path):
    frames = [Image.fromarray(np.full((4, 6), shade, np.uint8)) for shade in (50, 100, 200)]
    frames[0].save(tmp_path / "image.gif", save_all=True, append_images=frames[1:])
    assert (load_image(tmp_path / "image.gif", 1) == 50).all()


def test_transparent_parts_are_white(tmp_path):
    pixels = np.zeros((1, 3, 4), np.uint8)
    pixels[0, :, 3] = 0, 255, 51
    for channels in (1, 3):
        image = load_image(save(tmp_path, pixels), channels)
        np.testing.assert_array_equal(image, np.broadcast_to(np.uint8([255, 0, 204]), (channels, 1, 3)))


def test_palettes_and_black_and_white(tmp_path):
    image = Image.fromarray(RGB).quantize(24)
    image.save(tmp_path / "palette.png")
    np.testing.assert_array_equal(load_image(tmp_path / "palette.png", 3).transpose(1, 2, 0), image.convert("RGB"))
    bits = GREY > 127
    np.testing.assert_array_equal(load_image(save(tmp_path, bits), 1)[0], np.where(bits, 255, 0))


def test_the_exif_orientation_is_followed(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rows are to be read from right to left, as columns
    path = save(tmp_path, GREY, exif=exif)
    np.testing.assert_array_equal(load_image(path, 1)[0], np.rot90(GREY, -1))
    assert image_header(path) == (1, (6, 4))


@pytest.mark.parametrize("orientation", range(0, 10))
def test_every_exif_orientation(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = {
        2: GREY[:, ::-1],
        3: GREY[::-1, ::-1],
        4: GREY[::-1],
        5: GREY.T,
        6: np.rot90(GREY, -1),
        7: GREY[::-1, ::-1].T,
        8: np.rot90(GREY),
    }.get(orientation, GREY)  # others are not defined, and left as they are
    path = save(tmp_path, GREY, exif=exif)
    np.testing.assert_array_equal(load_image(path, 1)[0], upright)
    assert image_header(path)[1] == upright.shape


def test_header(tmp_path):
    assert image_header(save(tmp_path, GREY)) == (1, (4, 6))
    assert image_header(save(tmp_path, RGB)) == (3, (4, 6))
    assert image_header(save(tmp_path, GREY.astype(np.uint16))) == (1, (4, 6))


def test_names():
    assert is_image_name("a.png")
    assert is_image_name("B.JPEG")
    assert not is_image_name("._a.png")
    assert not is_image_name("notes.txt")


def test_arguments_are_checked(tmp_path):
    path = save(tmp_path, GREY)
    with pytest.raises(ShapeError, match="channels must be 1"):
        load_image(path, 2)
    with pytest.raises(ShapeError, match="size"):
        load_image(path, 1, (3, 0))
    with pytest.raises(TypeError, match="size"):
        load_image(path, 1, 2.5)
    with pytest.raises(FileNotFoundError):
        load_image(tmp_path / "absent.png", 1)


def test_without_pillow_the_extra_is_named(tmp_path, monkeypatch):
    path = save(tmp_path, GREY)
    load = builtins.__import__

    def without_pillow(name, *rest):
        if name.partition(".")[0] == "PIL":
            raise ImportError(name)
        return load(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_pillow)
    with pytest.raises(MissingExtraError, match=r"sevenloops\[train\]"):
        load_image(path, 1)


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n", b"GIF89a"])
def test_damage_is_named_in_one_sentence(tmp_path, content):
    path = tmp_path / "image.png"
    path.write_bytes(content)
    for read in (lambda: load_image(path, 1), lambda: image_header(path)):
        with pytest.raises(DataError) as caught:
            read()
        assert is_one_sentence_about(caught.value, path)


@pytest.mark.parametrize("suffix", ["png", "jpeg", "gif", "bmp", "tiff", "ppm"])
def test_mutated_images_load_or_raise_data_error(tmp_path, suffix):
    buffer = io.BytesIO()
    Image.fromarray(RGB).save(buffer, suffix)
    path = tmp_path / f"image.{suffix}"
    refused = 0
    for _ in mutate(path, buffer.getvalue(), 300, seed=2):
        image, error = attempt(load_image, path, 3, 8)
        if error is not None:
            assert str(path) in str(error)
            refused += 1
        else:
            assert image.shape == (3, 8, 8)
    assert refused > 20
