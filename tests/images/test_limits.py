"""No file costs far more time or memory than pictures do, and none leaves the errors of rotnet."""

import errno
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import hostile
import numpy as np
import pytest
from pictures import encoded, exif_with, smooth
from PIL import ExifTags, Image

from rotnet.errors import ImageError
from rotnet.images import memory, reading
from rotnet.images.formats import limits, png, xmp
from rotnet.images.formats.ifd import first_directory
from rotnet.images.turn_file import turn_bytes

HERE = Path(__file__).parent
# what may be read and turned, for nothing in it is dear
READ = {"unclosed thumbnails", "a million pages"}


@pytest.mark.parametrize("kind", hostile.FILES)
def test_hostile_files_cost_little(kind):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parents[1]), str(HERE.parent)])}
    command = [sys.executable, "-W", "ignore", str(HERE.parent / "hostile.py"), kind]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, env=environment)
    for cost in map(json.loads, ended.stdout.splitlines()):
        assert cost["seconds"] < 5 and cost["mb"] < 200, cost
        if kind not in READ:
            assert "leave it out" in cost["answer"] or "shrink it" in cost["answer"], cost


def test_tags_are_views_until_they_are_needed():
    data = hostile.directory([(0x9000, 7, 1000, 8)]).ljust(2000, b"\0")
    tags, _ = first_directory(data)
    assert isinstance(tags[0x9000].value, memoryview)
    with pytest.raises(ValueError, match="claim more bytes"):
        first_directory(hostile.greedy(1_000_000))


@pytest.mark.parametrize("order", ["<", ">"])
def test_directories_in_a_circle_end(order, monkeypatch):
    looked, look = [], limits._directory

    def counted(file, offset, *rest):
        assert len(looked) < 9, "it goes round"
        looked.append(offset)
        return look(file, offset, *rest)

    monkeypatch.setattr(limits, "_directory", counted)
    circle = hostile.directory([(tag, 4, 1, 8) for tag in (0x8769, 0x8825, 0xA005)], order)
    limits.check_tags(io.BytesIO(circle[:-4] + circle[4:8]))
    limits.check_tags(io.BytesIO(b"II+\0\x08\0\0\0\x10" + bytes(7) + b"\xff" * 8))
    assert looked == [8, 16]


def test_compressed_metadata_are_unpacked_up_to_a_limit():
    with pytest.raises(ValueError, match="compressed metadata have more than 16,777,216 bytes"):
        png.split_blocks(hostile.png_with(hostile.xmp_chunk(bytes(20_000_000), compressed=True)))


@pytest.mark.parametrize("text", [b"", b"\nexif\n 9\nzz", b"\nexif\n", bytes(9)])
@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt"])
def test_damaged_text_of_a_png_stays_as_it_is(kind, text):
    chunk = hostile.chunk(kind, b"Raw profile type exif\0" + (b"\0" if kind == b"zTXt" else b"") + text)
    turned, _ = turn_bytes(hostile.png_with(chunk), 90.0)
    assert chunk in turned


def test_xmp_too_large_is_not_looked_into():
    large = b"tiff:Orientation='6'".rjust(xmp.LARGEST + 20)
    assert xmp.orientation_of_xmp(large) is None
    with pytest.raises(ValueError, match="more than the 16,777,216 that are looked into"):
        xmp.with_orientation(large, 1)


def test_large_honest_metadata_are_read():
    photo = encoded(smooth(), "JPEG", icc_profile=bytes(1_000_000), comment=b"x" * 60_000, exif=exif_with(6).tobytes())
    assert reading.read_image(photo).shape == (32, 24, 3)
    many = hostile.jpeg_with(hostile.split_exif(hostile.directory([(0x0112, 3, 1, 6)]).ljust(2_000_000, b"\0")))
    assert reading.read_image(many).shape == (128, 96, 3)
    tiff = encoded(np.zeros((40_000, 3), np.uint8), "TIFF", tiffinfo={int(ExifTags.Base.RowsPerStrip): 1})
    assert reading.read_image(tiff).shape == (40_000, 3, 3)


# Memory ---------------------------------------------------------------------------------------------------------------


def test_what_takes_too_much_memory_is_refused_before_it_is_decoded(monkeypatch):
    monkeypatch.setattr(memory, "MAX_BYTES", 100_000)
    monkeypatch.setattr(memory, "_OF_FILE", 1)
    large = encoded(np.zeros((200, 300), np.uint8))
    with pytest.raises(
        ImageError, match=r"has 300 × 200 pixels, which take 0.0 GB of memory.* raise max_pixels to"
    ) as told:
        reading.read_image(large)
    enough = int(str(told.value).rpartition(" ")[2].replace(",", ""))
    assert reading.read_image(large, max_pixels=enough).shape == (200, 300, 3)
    with pytest.raises(ImageError):
        reading.read_image(large, max_pixels=enough - 10_000)
    assert reading.read_image(large, max_pixels=None).shape == (200, 300, 3)
    monkeypatch.setattr(memory, "_OF_FILE", 10_000)
    assert reading.read_image(large).shape == (200, 300, 3), "the file itself is large"


def test_a_jpeg_that_is_decoded_at_a_part_takes_less(monkeypatch):
    monkeypatch.setattr(memory, "MAX_BYTES", 1_000_000)
    monkeypatch.setattr(memory, "_OF_FILE", 1)
    data = encoded(smooth(600, 800), "JPEG")
    with pytest.raises(ImageError, match="of memory"):
        reading.read_image(data)
    assert reading.read_image(data, short_side=100).shape == (150, 200, 3)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_bands_give_the_same_pixels(mode, orientation, monkeypatch):
    from rotnet.images import converting

    deep = Image.fromarray(smooth(13, 17)[:, :, 0].astype(np.uint16) * 250)
    picture = deep if mode == "I;16" else Image.fromarray(smooth(13, 17)).convert(mode)
    picture.getexif()[0x0112] = orientation
    whole = reading.read_image(picture)
    monkeypatch.setattr(converting, "_BAND", 60)
    np.testing.assert_array_equal(reading.read_image(picture), whole)
    assert whole.shape[:2] == ((17, 13) if orientation > 4 else (13, 17))


# One sentence ---------------------------------------------------------------------------------------------------------


class Unreadable(io.RawIOBase):
    def __init__(self, error):
        self.error = error

    def read(self, _=-1):
        raise self.error


@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, "Input/output error"), MemoryError(), AttributeError("x\ny"), KeyError(1)]
)
@pytest.mark.parametrize("read", [reading.read_image, reading.open_pil])
def test_whatever_a_file_raises_is_one_sentence(error, read):
    with pytest.raises(ImageError, match="cannot be opened") as told:
        read(Unreadable(error))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("read", [reading.read_image, reading.open_pil])
def test_a_disk_that_fails_and_memory_that_ends(read, monkeypatch, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(smooth()))

    def failing(error):
        def fail(*_, **__):
            raise error

        return fail

    for error, told in (
        (OSError(errno.EIO, "Input/output error"), "Input/output"),
        (MemoryError(), "more memory than"),
    ):
        monkeypatch.setattr(Image, "open", failing(error))
        with pytest.raises(ImageError, match=told):
            read(path)
    monkeypatch.setattr(reading, "pixel_values", failing(MemoryError()))
    with pytest.raises(ImageError, match="more memory than there is"):
        read(np.zeros((2, 2), np.uint16))


def test_no_mutation_of_metadata_leaves_the_errors():
    chance = np.random.default_rng(3)
    wholes = [hostile.png_with(hostile.chunk(b"eXIf", hostile.directory([(0x0112, 3, 1, 6)]))), hostile.webp_with(b"")]
    wholes += [
        encoded(smooth(), "TIFF"),
        encoded(smooth(), "JPEG", exif=exif_with(6).tobytes()),
        encoded(smooth(), "GIF"),
    ]
    for _ in range(150):
        for whole in wholes:
            data = bytearray(whole)
            for at in chance.integers(0, min(len(data), 200), 3):
                data[at] = chance.integers(0, 256)
            for action in (reading.read_image, lambda data: turn_bytes(data, 90.0)):
                try:
                    action(bytes(data))
                except ImageError as error:
                    assert "\n" not in str(error)
