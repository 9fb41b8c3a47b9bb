"""Writing: every mode to every format, with metadata, atomically. All pictures are generated."""

import errno
import io
import os

import numpy as np
import pytest
from pictures import COLORS, GRAY, ORIENTATION, encoded, exif_with, smooth
from PIL import Image, ImageCms

from rotnet.errors import ImageError, OutputError, UsageError
from rotnet.images import reading, writing

rng = np.random.default_rng(0)


@pytest.mark.parametrize("extension", sorted(reading.EXTENSIONS - {".mpo", ".heic", ".heif"}))
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F", "YCbCr", "HSV", "PA"])
def test_every_mode_to_every_format(extension, mode, tmp_path):
    size = (16, 12)
    image = Image.new("P", size).convert("PA") if mode == "PA" else Image.new(mode, size)
    writing.write(image, tmp_path / f"out{extension}")
    assert reading.read_image(tmp_path / f"out{extension}").shape == (12, 16, 3)
    assert [path.name for path in tmp_path.iterdir()] == [f"out{extension}"]


@pytest.mark.parametrize("extension", [".png", ".bmp", ".tif", ".ppm", ".qoi", ".JP2"])
def test_lossless_formats_keep_every_pixel(extension, tmp_path):
    writing.write(COLORS, tmp_path / f"out{extension}")
    np.testing.assert_array_equal(reading.read_image(tmp_path / f"out{extension}"), COLORS)


@pytest.mark.parametrize("extension", [".png", ".tif", ".pgm", ".jp2"])
def test_sixteen_bits_stay_sixteen(extension, tmp_path):
    deep = GRAY.astype(np.uint16) * 200
    writing.write(Image.fromarray(deep), tmp_path / f"out{extension}")
    np.testing.assert_array_equal(np.asarray(reading.open_pil(tmp_path / f"out{extension}")), deep)


def test_transparent_pictures(tmp_path):
    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    keyed = Image.new("L", (8, 8), 0)
    keyed.info["transparency"] = 0
    for image in (clear, keyed):
        for name in ("a.jpg", "a.png", "a.tif", "a.webp", "a.bmp"):
            writing.write(image, tmp_path / name)
            assert reading.read_image(tmp_path / name).min() > 250, (image.mode, name)


def test_jpeg_quality(tmp_path):
    noise = rng.integers(0, 256, (64, 64, 3), np.uint8)
    sizes = []
    for quality in (30, None, 100):
        writing.write(noise, tmp_path / "out.jpg", quality=quality)
        sizes.append((tmp_path / "out.jpg").stat().st_size)
        with Image.open(tmp_path / "out.jpg") as image:
            assert {layer[1:3] for layer in image.layer} == {(1, 1)}  # 4:4:4
    assert sizes[0] < sizes[1] < sizes[2]
    for bad in (0, 101, -1):
        with pytest.raises(UsageError, match="quality must be 1 to 100"):
            writing.write(noise, tmp_path / "bad.jpg", quality=bad)


@pytest.mark.parametrize("source_format", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("extension", [".jpg", ".png", ".tif", ".webp", ".avif"])
def test_metadata_is_carried_over(source_format, extension, tmp_path):
    exif = exif_with(6)
    exif[0x8769] = {0x9003: "2020:01:02 03:04:05", 0xA002: 32, 0xA003: 24}
    exif[0x8825] = {1: "N", 2: (47.0, 22.0, 1.0)}
    exif = exif.tobytes()
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6" note="kept"/></x:xmpmeta>'
    options = {"xmp": xmp} if source_format in ("JPEG", "WEBP") else {}
    data = encoded(smooth(), source_format, exif=exif, icc_profile=icc, dpi=(300, 300), **options)
    like = reading.open_pil(data)
    target = tmp_path / f"out{extension}"
    for original in (like, Image.open(io.BytesIO(data))):
        writing.write(original, target)
        with Image.open(target) as image:
            image.load()
            written = image.getexif()
            assert image.size == (24, 32)
            assert written.get(ORIENTATION, 1) == 1 and written[0x010F] == "Maker"
            details = written.get_ifd(0x8769)
            assert (details[0x9003], details[0xA002], details[0xA003]) == ("2020:01:02 03:04:05", 24, 32)
            assert tuple(written.get_ifd(0x8825)[2]) == (47.0, 22.0, 1.0)
            assert image.info["icc_profile"] == icc
            if source_format != "WEBP" and extension not in (".webp", ".avif"):
                assert [round(x) for x in image.info["dpi"]] == [300, 300]
            if options:
                xmp_written = image.info.get("xmp") or image.info["XML:com.adobe.xmp"].encode()
                assert b"kept" in xmp_written and b'tiff:Orientation="1"' in xmp_written
    assert like.getexif()[ORIENTATION] == 1  # and the image is as it was


def test_write_turns_the_pixels_of_a_picture_with_orientation(tmp_path):
    writing.write(Image.open(io.BytesIO(encoded(smooth(), "TIFF", exif=exif_with(6)))), tmp_path / "out.tif")
    np.testing.assert_array_equal(reading.read_image(tmp_path / "out.tif"), np.rot90(smooth(), -1))


@pytest.mark.parametrize("exif", [b"Exif\0\0garbage!", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0" + b"MM\0*" * 9])
@pytest.mark.filterwarnings("default")
def test_damaged_exif_is_left_out(exif, tmp_path):
    image = reading.open_pil(encoded(smooth(), "JPEG", exif=exif))
    writing.write(image, tmp_path / "out.jpg")
    assert ORIENTATION not in reading.open_pil(tmp_path / "out.jpg").getexif()


def test_profile_of_other_colors_is_left_out(tmp_path):
    gray = Image.new("L", (8, 8), 9)
    gray.info["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    writing.write(gray, tmp_path / "out.png")
    assert "icc_profile" not in reading.open_pil(tmp_path / "out.png").info


def test_metadata_too_large_or_senseless_does_not_stop_a_jpeg(tmp_path):
    image = Image.new("RGB", (8, 8))
    image.info.update(dpi=(float("nan"), 0), xmp=b"x" * 70_000)
    writing.write(image, tmp_path / "out.jpg")
    image.info.update(dpi="many")
    writing.write(image, tmp_path / "out.png")
    assert all(reading.read_image(tmp_path / name).shape == (8, 8, 3) for name in ("out.jpg", "out.png"))


@pytest.mark.parametrize("name", ["out", "out.xyz", "out.pdf", ".png"])
def test_unknown_extension(name, tmp_path):
    with pytest.raises(OutputError, match=r"must end in one of .*\.jpg.*; got "):
        writing.write(COLORS, tmp_path / name)


def test_what_a_format_cannot_hold(tmp_path):
    with pytest.raises(OutputError, match=r"wide.webp cannot be written as WEBP: "):
        writing.write(np.zeros((1, 16_500), np.uint8), tmp_path / "wide.webp")
    assert list(tmp_path.iterdir()) == []


def test_targets_that_cannot_be(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder.png").mkdir()
    for name, reason in [
        ("missing/out.png", "No such file or directory"),
        ("file/out.png", "Not a directory"),
        ("folder.png", "Is a directory"),
    ]:
        with pytest.raises(OutputError, match=f"{name} cannot be written: {reason}; choose another folder or name"):
            writing.write(COLORS, tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.png"]


def test_read_only_folder(tmp_path, monkeypatch):
    tmp_path.chmod(0o500)
    if os.geteuid() == 0:  # root may write anywhere: let the kernel say no in its stead

        def refuse(*_args, **_options):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("builtins.open", refuse)
    try:
        with pytest.raises(OutputError, match="out.png cannot be written: Permission denied") as caught:
            writing.write(COLORS, tmp_path / "out.png")
        assert isinstance(caught.value, OSError) and ".part" not in str(caught.value)
    finally:
        monkeypatch.undo()
        tmp_path.chmod(0o700)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("failure", [KeyboardInterrupt, OSError(28, "No space left on device"), MemoryError])
@pytest.mark.parametrize("where", ["save", "replace", "fsync"])
def test_failure_leaves_the_old_file_and_nothing_else(where, failure, tmp_path, monkeypatch):
    def fail(*_args, **_options):
        raise failure

    target = tmp_path / "out.png"
    target.write_bytes(b"old")
    monkeypatch.setattr(Image.Image if where == "save" else os, where, fail)
    expected = OutputError if isinstance(failure, OSError) or (failure, where) == (MemoryError, "save") else failure
    with pytest.raises(expected):
        writing.write(COLORS, target)
    assert target.read_bytes() == b"old" and list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_permissions(mask, tmp_path):
    before = os.umask(mask)
    try:
        writing.write(COLORS, tmp_path / "new.png")
        (tmp_path / "old.png").touch()
        (tmp_path / "old.png").chmod(0o640)
        writing.write(COLORS, tmp_path / "old.png")
    finally:
        os.umask(before)
    assert (tmp_path / "new.png").stat().st_mode & 0o777 == 0o666 & ~mask
    assert (tmp_path / "old.png").stat().st_mode & 0o777 == 0o640


def test_long_names(tmp_path):
    target = tmp_path / ("x" * 250 + ".png")
    writing.write(COLORS, target)
    assert [path for path in tmp_path.iterdir()] == [target]


def test_a_copy_says_which_of_the_two_disks_fails(tmp_path):
    class Scratched(io.BytesIO):
        def read(self, *_):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with pytest.raises(ImageError, match=r"a\.jpg cannot be read: Input/output error"):
        with writing.atomic_file(tmp_path / "b.jpg") as file:
            writing.copy_into(file, Scratched(), "a.jpg")
    assert not list(tmp_path.iterdir())
