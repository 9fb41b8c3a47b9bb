"""Reading: every kind of source, mode and damage. All pictures are generated."""

import io
import os
import pathlib
import socket
import struct
import subprocess
import sys
import threading
import zlib

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import COLORS, GRAY, ORIENTATION, encoded, exif_with, smooth
from PIL import Image, ImageFile

from rotnet.errors import ImageError, UsageError
from rotnet.images import converting, reading

PHOTOGRAPH = pathlib.Path(__file__).parents[2] / "examples" / "photos" / "coffee.jpg"

# Sources --------------------------------------------------------------------------------------------------------------


def test_all_sources_agree(tmp_path):
    data = encoded(COLORS)
    path = tmp_path / "picture"
    path.write_bytes(data)
    with open(path, "rb") as file:
        sources = [str(path), path, data, bytearray(data), memoryview(data), io.BytesIO(data), file, COLORS]
        for source in [*sources, Image.fromarray(COLORS), Image.open(io.BytesIO(data))]:
            picture = reading.read_image(source)
            np.testing.assert_array_equal(picture, COLORS)
            assert picture.dtype == np.uint8 and picture.flags.c_contiguous and picture.flags.writeable


def test_file_object_that_cannot_seek():
    read_end, write_end = os.pipe()
    os.write(write_end, encoded(COLORS))
    os.close(write_end)
    with open(read_end, "rb") as file:
        np.testing.assert_array_equal(reading.read_image(file), COLORS)


def test_result_shares_no_memory():
    source = COLORS.copy()
    assert not np.shares_memory(reading.read_image(source), source)
    reading.read_image(source)[:] = 0
    np.testing.assert_array_equal(source, COLORS)


@pytest.mark.parametrize("source", [None, 3, 1.5, [COLORS], {"a": 1}, object()])
def test_other_types(source):
    with pytest.raises(ImageError, match=f"a picture must be a path, .*; got {type(source).__name__}"):
        reading.read_image(source)


# Arrays ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "array",
    [
        GRAY,
        GRAY[:, :, None],
        np.dstack([GRAY, np.full_like(GRAY, 255)]),
        np.dstack([GRAY] * 3),
        np.dstack([GRAY] * 3 + [np.full_like(GRAY, 255)]),
        np.asfortranarray(GRAY),
        GRAY.astype(np.uint16) * 257,
        GRAY.astype(np.int64),
        GRAY.astype(np.uint32),
        GRAY.astype(np.float64),
        GRAY.astype(np.float16),
        GRAY / 255,
        (GRAY / 255).astype(np.float32),
        (GRAY.astype(np.uint16) * 257).astype(">u2"),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_arrays(array):
    before = array.copy()
    np.testing.assert_array_equal(reading.read_image(array), np.dstack([GRAY] * 3))
    np.testing.assert_array_equal(array, before)


def test_files_are_read_from_their_start():
    file = io.BytesIO()
    Image.fromarray(COLORS).save(file, "PNG")
    for _ in range(2):  # it stands at its end
        assert (reading.read_image(file) == COLORS).all()


def test_bool_and_transparent_arrays():
    assert reading.read_image(np.array([[True, False]]))[0, :, 0].tolist() == [255, 0]
    assert reading.read_image(np.array([[[10, 20, 30, 0], [10, 20, 30, 255]]], np.uint8)).tolist() == [
        [[255, 255, 255], [10, 20, 30]]
    ]


def test_rounding_errors_of_a_float_picture_are_clipped():
    assert reading.read_image(np.array([[-1e-6, 0.5, 1 + 1e-6]]))[0, :, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(5), "must have the shape"),
        (np.zeros((2, 2, 2, 3)), "must have the shape"),
        (np.zeros((3, 8, 8)), "must have the shape"),
        (np.zeros(()), "must have the shape"),
        (np.zeros((0, 4, 3)), "no pixels"),
        (np.zeros((4, 0)), "no pixels"),
        (np.array([[np.nan, 0.0]]), "finite"),
        (np.array([[np.inf, 0.0]]), "finite"),
        (np.array([[-0.5, 0.5]]), r"\[0, 1\]"),
        (np.array([[-0.5, 200.0]]), "0..255"),
        (np.array([[256.0]]), "0..255"),
        (np.array([[-1]]), "0..255"),
        (np.array([[70000]]), "0..255"),
        (np.array([[1j]]), "must hold numbers"),
        (np.array([["a"]]), "must hold numbers"),
        (np.array([[None]]), "must hold numbers"),
    ],
)
def test_bad_arrays(array, message):
    for function in (reading.read_image, reading.open_pil):
        with pytest.raises(ImageError, match=message) as caught:
            function(array)
        assert str(array.shape) in str(caught.value)


DTYPES = st.sampled_from([np.bool_, np.uint8, np.int16, np.uint16, np.int32, np.float16, np.float32, np.float64, "<c8"])


@settings(max_examples=150)
@given(hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)))
def test_any_array_is_a_picture_or_one_error(array):
    try:
        picture = reading.read_image(array)
    except ImageError as error:
        assert "\n" not in str(error)
    else:
        assert picture.shape == (*array.shape[:2], 3) and picture.dtype == np.uint8 and picture.flags.c_contiguous


# Modes ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_gray_modes(format):
    for mode, factor in [("L", 1), ("I;16", 257)]:
        image = Image.fromarray(GRAY if factor == 1 else GRAY.astype(np.uint16) * 257)
        assert image.mode == mode
        data = encoded(image, format)
        np.testing.assert_array_equal(reading.read_image(data), np.dstack([GRAY] * 3))
        assert reading.open_pil(data).mode == mode


def test_dark_16_bit_png_stays_dark():
    assert reading.read_image(encoded(np.full((2, 2), 200, np.uint16))).max() == 1


def test_32_bit_tiff():
    for values in (GRAY.astype(np.int32), GRAY.astype(np.float32), (GRAY / 255).astype(np.float32)):
        np.testing.assert_array_equal(reading.read_image(encoded(values, "TIFF")), np.dstack([GRAY] * 3))
    deep = GRAY.astype(np.int32) * 257
    np.testing.assert_array_equal(reading.read_image(encoded(deep, "TIFF"))[:, :, 0], GRAY)
    for bad in (np.full((2, 2), np.nan, np.float32), np.full((2, 2), 70000, np.int32), np.full((2, 2), -1, np.int32)):
        with pytest.raises(ImageError, match="must hold"):
            reading.read_image(encoded(bad, "TIFF"))


def test_one_bit_palette_cmyk():
    bits = Image.fromarray(GRAY > 127)
    assert bits.mode == "1"
    np.testing.assert_array_equal(reading.read_image(encoded(bits))[:, :, 1], (GRAY > 127) * 255)
    palette = Image.fromarray(COLORS).quantize(256)
    np.testing.assert_array_equal(reading.read_image(encoded(palette)), np.array(palette.convert("RGB")))
    cmyk = reading.read_image(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"))
    assert abs(cmyk.astype(int) - [255, 0, 0]).max() < 8


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "PA", "RGBa", "L", "RGB"])
def test_transparency_lies_on_white(mode):
    if mode in ("L", "RGB", "P"):  # one transparent color
        image = Image.new(mode, (4, 4), 0)
        image.info["transparency"] = (0, 0, 0) if mode == "RGB" else 0
        image = Image.open(io.BytesIO(encoded(image, transparency=image.info["transparency"])))
    else:
        via = {"RGBA": "RGBA", "LA": "LA", "PA": "P", "RGBa": "RGBA"}[mode]
        image = Image.new(via, (4, 4), 0).convert(mode)
        if mode == "PA":
            image.putalpha(0)
    assert image.mode == mode
    assert (reading.read_image(image) == 255).all()


def test_half_transparency():
    assert reading.read_image(Image.new("RGBA", (1, 1), (0, 0, 0, 128)))[0, 0].tolist() == [127, 127, 127]


@pytest.mark.parametrize("mode", ["YCbCr", "HSV", "LAB", "RGBX", "I;16B", "I;16L"])
def test_rare_modes(mode):
    assert reading.read_image(Image.new(mode, (4, 3))).shape == (3, 4, 3)


@pytest.mark.parametrize("format", ["GIF", "TIFF", "WEBP", "PNG"])
def test_first_frame(format):
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "lime", "blue")]
    options = {"lossless": True} if format == "WEBP" else {}
    data = encoded(frames[0], format, save_all=True, append_images=frames[1:], **options)
    np.testing.assert_array_equal(reading.read_image(data), np.array(frames[0]))
    assert reading.open_pil(data).size == (8, 8)


# Orientation and metadata ---------------------------------------------------------------------------------------------

TURNED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a),
}


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP", "JPEG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(format, orientation):
    options = {"lossless": True} if format == "WEBP" else {"quality": 100, "subsampling": 0} if format == "JPEG" else {}
    data = encoded(smooth(), format, exif=exif_with(orientation), **options)
    expected = TURNED[orientation](smooth())
    close = dict(atol=6 if format == "JPEG" else 0)
    np.testing.assert_allclose(reading.read_image(data).astype(int), expected, **close)
    np.testing.assert_allclose(reading.read_image(Image.open(io.BytesIO(data))).astype(int), expected, **close)
    image = reading.open_pil(data)
    assert image.getexif()[ORIENTATION] == 1 and image.getexif()[0x010F] == "Maker"
    np.testing.assert_allclose(reading.read_image(image).astype(int), expected, **close)  # once is enough


def test_orientation_leaves_the_source_alone():
    source = Image.open(io.BytesIO(encoded(smooth(), exif=exif_with(6))))
    reading.read_image(source)
    assert source.size == (32, 24) and source.getexif()[ORIENTATION] == 6


def test_orientation_in_xmp():
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    data = encoded(smooth(), "JPEG", xmp=xmp)
    image = reading.open_pil(data)
    assert image.size == (24, 32)
    assert b'tiff:Orientation="1"' in image.info["xmp"]


@pytest.mark.parametrize("exif", [b"Exif\0\0garbage!", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0" + b"MM\0*" * 9])
@pytest.mark.filterwarnings("default")
def test_damaged_exif_is_no_reason_to_refuse(exif):
    assert reading.open_pil(encoded(smooth(), "JPEG", exif=exif)).size == (32, 24)


@pytest.mark.parametrize("orientation", [0, 9, 255])
def test_senseless_orientation_is_ignored(orientation):
    np.testing.assert_array_equal(reading.read_image(encoded(smooth(), exif=exif_with(orientation))), smooth())


# Reduced scale --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("short_side", "size"),
    [(None, (203, 301)), (203, (203, 301)), (102, (203, 301)), (101, (102, 151)), (50, (51, 76)), (1, (26, 38))],
)
def test_a_jpeg_is_decoded_no_smaller_than_asked(short_side, size):
    data = encoded(smooth(203, 301), "JPEG", quality=95)
    assert reading.read_image(data, short_side=short_side).shape == (*size, 3)
    assert reading.read_image(data, short_side=short_side, max_pixels=203 * 301).shape == (*size, 3)
    with pytest.raises(ImageError, match="max_pixels"):
        reading.read_image(data, short_side=short_side, max_pixels=203 * 301 - 1)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("orientation", [1, 6, 7])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_reduced_jpeg_is_the_whole_one_scaled_down(mode, orientation, progressive):
    picture = Image.fromarray(smooth(208, 304)).convert(mode)
    data = encoded(picture, "JPEG", quality=95, exif=exif_with(orientation), progressive=progressive)
    whole, half = reading.read_image(data), reading.read_image(data, short_side=104)
    assert half.shape == (whole.shape[0] // 2, whole.shape[1] // 2, 3)
    means = whole.reshape(half.shape[0], 2, half.shape[1], 2, 3).mean(axis=(1, 3))
    assert np.abs(half - means).mean() < 2 and np.abs(half - means).max() < 16


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0", None])
@pytest.mark.parametrize("size", [(83, 130), (8, 8), (1, 1), (17, 240)])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("short_side", [None, 1, 4, 40])
def test_a_jpeg_has_the_pixels_that_pillow_gives(subsampling, size, progressive, short_side):
    options = {"keep_rgb": True} if subsampling is None else {"subsampling": subsampling}
    for mode in ("RGB", "L"):
        picture = Image.fromarray(smooth(*size)).convert(mode)
        data = encoded(picture, "JPEG", quality=80, progressive=progressive, **(options if mode == "RGB" else {}))
        with Image.open(io.BytesIO(data)) as expected:
            if short_side is not None:
                expected.draft(None, (short_side, short_side))
            np.testing.assert_array_equal(reading.read_image(data, short_side=short_side), expected.convert("RGB"))


def test_what_is_left_of_a_jpeg_with_a_broken_scan_is_what_pillow_makes_of_it():
    data = bytearray(encoded(smooth(208, 304), "JPEG", quality=95))
    data[len(data) // 2 : len(data) // 2 + 40] = bytes(40)
    with Image.open(io.BytesIO(data)) as expected:
        expected.draft(None, (104, 104))
        np.testing.assert_array_equal(reading.read_image(bytes(data), short_side=104, strict=False), expected)


@pytest.mark.parametrize("side", [64, 1024])
def test_a_lossless_jpeg_is_never_decoded_at_a_part_of_its_size(side):
    """It would be written beyond its buffer."""
    frame = b"\xff\xc3" + bytes([0, 17, 8]) + 2 * side.to_bytes(2, "big") + bytes([3, 1, 17, 0, 2, 17, 0, 3, 17, 0])
    table, code = b"\xff\xdb" + bytes([0, 67, 0, *64 * [1]]), b"\xff\xc4" + bytes([0, 20, 0, 1, *16 * [0]])
    scan = b"\xff\xda" + bytes([0, 12, 3, 1, 0, 2, 0, 3, 0, 1, 0, 0]) + bytes(3 * side * side // 8)
    data = b"\xff\xd8" + table + frame + code + scan + b"\xff\xd9"
    assert reading.read_image(data, short_side=8).shape == (side, side, 3)


def test_a_reduced_photograph_looks_the_same():
    whole = reading.read_image(PHOTOGRAPH)
    half = reading.read_image(PHOTOGRAPH, short_side=min(whole.shape[:2]) // 2)
    means = Image.fromarray(whole).resize((half.shape[1], half.shape[0]), Image.Resampling.BOX)
    error = ((half - np.array(means, float)) ** 2).mean()
    assert 10 * np.log10(255**2 / error) > 40


def test_only_jpeg_files_are_reduced():
    picture = smooth(64, 64)
    for format in ("PNG", "TIFF", "GIF", "WEBP"):
        assert reading.read_image(encoded(picture, format), short_side=8).shape == (64, 64, 3)
    opened = Image.open(io.BytesIO(encoded(picture, "JPEG")))
    for source in (picture, opened):
        assert reading.read_image(source, short_side=8).shape == (64, 64, 3)
    assert opened.size == (64, 64)


# Bad files ------------------------------------------------------------------------------------------------------------


def test_bad_paths(tmp_path):
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("Dear diary, " * 100)
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    (tmp_path / "dangling.jpg").symlink_to("nowhere.jpg")
    for name, message in [
        ("empty.jpg", "is empty"),
        ("text.jpg", "not a picture of a known format"),
        ("pipe.jpg", "pipe, socket or device"),
        ("loop.jpg", "cannot be opened: Too many levels"),
        ("dangling.jpg", "cannot be opened: No such file"),
        ("missing.jpg", "cannot be opened: No such file"),
        ("empty.jpg/inside.jpg", "cannot be opened: Not a directory"),
        ("x" * 300, "cannot be opened: File name too long"),
        ("a\0b", "cannot be opened: embedded null"),
        ("", "is a folder"),
    ]:
        with pytest.raises(ImageError, match=message) as caught:
            reading.read_image(f"{tmp_path}/{name}")
        assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(ImageError, match="an empty path cannot be opened"):
        reading.read_image("")
    with pytest.raises(ImageError, match="pipe, socket or device"):
        reading.read_image("/dev/zero")


def test_socket(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s.jpg")
        with pytest.raises(ImageError, match="s.jpg is not a regular file"):
            reading.read_image("s.jpg")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_permission_denied(tmp_path):
    (tmp_path / "x.png").write_bytes(encoded(COLORS))
    (tmp_path / "x.png").chmod(0)
    with pytest.raises(ImageError, match="x.png cannot be opened: Permission denied"):
        reading.read_image(tmp_path / "x.png")


def test_bad_file_objects():
    closed = io.BytesIO(b"x")
    closed.close()
    for file, message in [
        (io.BytesIO(), "is empty"),
        (io.StringIO("text"), "must be a binary file"),
        (closed, "cannot be opened"),
        (b"", "is empty"),
    ]:
        with pytest.raises(ImageError, match=message):
            reading.read_image(file)


def test_formats_that_run_programs_are_refused():
    for data in (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", b"%PDF-1.4\n"):
        with pytest.raises(ImageError, match="not a picture of a known format"):
            reading.read_image(data)


def test_heic_without_plugin_gets_a_hint():
    if "HEIF" in reading.readable_formats():
        pytest.skip("pillow-heif is installed")
    with pytest.raises(ImageError, match=r"rotnet\[heif\]"):
        reading.read_image(b"\0\0\0\x18ftypheic" + bytes(64))


KINDS = {
    "png": lambda: encoded(smooth()),
    "png16": lambda: encoded(np.arange(600, dtype=np.uint16).reshape(20, 30)),
    "jpeg": lambda: encoded(smooth(), "JPEG"),
    "progressive": lambda: encoded(smooth(), "JPEG", progressive=True),
    "gif": lambda: encoded(smooth(), "GIF"),
    "bmp": lambda: encoded(smooth(), "BMP"),
    "webp": lambda: encoded(smooth(), "WEBP"),
    "lossless webp": lambda: encoded(smooth(), "WEBP", lossless=True),
    "tiff": lambda: encoded(smooth(), "TIFF"),
    "lzw tiff": lambda: encoded(smooth(), "TIFF", compression="tiff_lzw"),
    "ppm": lambda: encoded(smooth(), "PPM"),
    "jpeg2000": lambda: encoded(smooth(), "JPEG2000"),
    "avif": lambda: encoded(smooth(), "AVIF"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("short_side", [None, 6])
def test_truncated_is_whole_or_refused(kind, short_side):
    data = KINDS[kind]()
    whole = reading.read_image(data, short_side=short_side)
    wrong = []
    for length in {*range(0, len(data), max(1, len(data) // 60)), *range(len(data) - 12, len(data))}:
        try:
            picture = reading.read_image(data[:length], short_side=short_side)
        except ImageError as error:
            assert "\n" not in str(error)
        else:  # only the trailer was missing
            if not np.array_equal(picture, whole):
                wrong.append(length)
    assert not wrong, (len(data), wrong)


@settings(max_examples=100)
@given(st.sampled_from(list(KINDS)), st.data())
@pytest.mark.filterwarnings("default")
def test_damaged_bytes_raise_nothing_else(kind, draw):
    data = bytearray(KINDS[kind]())
    for _ in range(draw.draw(st.integers(1, 8))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    try:
        short_side = draw.draw(st.sampled_from([None, 6]))
        assert reading.read_image(bytes(data), short_side=short_side, max_pixels=10**6).dtype == np.uint8
    except ImageError as error:
        assert str(error)


@settings(max_examples=50)
@given(st.binary(max_size=64))
def test_noise_is_not_a_picture(data):
    with pytest.raises(ImageError):
        reading.read_image(data)


def test_truncated_even_where_pillow_was_told_to_be_lenient(monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(ImageError, match="cannot be decoded"):
        reading.read_image(encoded(smooth(), "JPEG")[:-200])
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


def test_own_limit_of_pixels(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert reading.read_image(encoded(smooth())).shape == (24, 32, 3)
    assert Image.MAX_IMAGE_PIXELS == 10
    assert reading.read_image(encoded(smooth()), max_pixels=None).shape == (24, 32, 3)
    with pytest.raises(ImageError, match=r"has 32 × 24 = 768 pixels, more than max_pixels=767; shrink it or raise"):
        reading.read_image(encoded(smooth()), max_pixels=767)
    with pytest.raises(ImageError, match="max_pixels=100"):
        reading.open_pil(Image.new("L", (11, 11)), max_pixels=100)


def test_bomb_is_refused_before_it_is_decoded():
    bomb = bytearray(encoded(np.zeros((1, 1), np.uint8)))
    bomb[16:24] = struct.pack(">II", 60_000, 60_000)
    bomb[29:33] = struct.pack(">I", zlib.crc32(bomb[12:29]))
    with pytest.raises(ImageError, match="3,600,000,000 pixels"):
        reading.read_image(bytes(bomb))


def test_threads_restore_the_settings_of_pillow():
    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    data = encoded(smooth(), "JPEG")
    threads = [threading.Thread(target=lambda: [reading.read_image(data) for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES) == before


def test_every_extension_is_one_of_pillow():
    Image.init()
    known = set(Image.registered_extensions()) | {".heic", ".heif"}
    assert known >= reading.EXTENSIONS
    for extension, format in reading.FORMATS.items():
        assert Image.registered_extensions().get(extension, "HEIF") in (format, "DIB")


def test_no_format_is_missed_for_want_of_its_plugin():
    code = (
        "from PIL import Image; from rotnet.images import reading\n"
        "alone = reading.readable_formats(); reading.readable_formats.cache_clear(); Image.init()\n"
        "print(alone == reading.readable_formats(), 'EPS' in alone)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["True", "False"]


# Small helpers --------------------------------------------------------------------------------------------------------


@given(hnp.arrays(np.uint8, hnp.array_shapes(max_dims=4, max_side=4)), st.floats(0, 1))
def test_binarize_is_the_same_for_levels_and_shares(values, threshold):
    before = values.copy()
    result = converting.binarize_images(values, threshold=threshold)
    np.testing.assert_array_equal(values, before)
    assert result.dtype == np.float32 and result.shape == values.shape
    full = 1 if set(np.unique(values)) == {0, 1} else 255  # a mask
    np.testing.assert_array_equal(result, values >= threshold * full)
    np.testing.assert_array_equal(converting.binarize_images(values.astype(np.int64), threshold=threshold), result)


def test_binarize_takes_masks_as_reading_does():
    assert converting.binarize_images(np.array([0, 1], np.uint8)).tolist() == [0.0, 1.0]
    assert converting.binarize_images(np.array([0, 1, 255], np.int64)).tolist() == [0.0, 0.0, 1.0]


def test_binarize():
    assert converting.binarize_images([0.0, 0.09, 0.11, 1.0]).tolist() == [0, 0, 1, 1]
    assert converting.binarize_images([0.0, 25.0, 26.0, 255.0]).tolist() == [0, 0, 1, 1]
    assert converting.binarize_images(np.array([True, False])).tolist() == [1, 0]
    assert converting.binarize_images(np.zeros((0, 28, 28))).shape == (0, 28, 28)
    for bad in ([300], [-1.0], [np.nan], ["a"]):
        with pytest.raises(ImageError, match="images must hold"):
            converting.binarize_images(bad)


def test_as_channels():
    gray = converting.as_channels(COLORS, 1)
    assert gray.shape == (5, 7, 1) and gray.dtype == np.uint8
    np.testing.assert_allclose(gray[:, :, 0], COLORS @ [0.299, 0.587, 0.114], atol=0.51)
    assert converting.as_channels(COLORS, 3).shape == (5, 7, 3)
    assert converting.as_channels(COLORS[:1, :1], 1).shape == (1, 1, 1)
    with pytest.raises(UsageError, match="channels must be 1 or 3; got 4"):
        converting.as_channels(COLORS, 4)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.uint16])
def test_zeros_and_ones_are_a_mask_whatever_their_type(dtype):
    mask = np.array([[0, 1], [1, 0]], dtype)
    np.testing.assert_array_equal(reading.read_image(mask), reading.read_image(mask.astype(bool)))
    np.testing.assert_array_equal(reading.read_image(np.zeros((2, 2), dtype)), 0)
