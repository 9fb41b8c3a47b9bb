"""A picture is known again by what it shows: through new metadata and names, and not once it was turned by hand."""

import io
import struct
import tracemalloc

import pytest
from pictures import encoded, exif_with, smooth
from PIL import Image

from rotnet.images.fingerprint import fingerprint
from rotnet.images.turn_file import turn_bytes

FORMATS = {"JPEG": {"quality": 95}, "PNG": {}, "WEBP": {"lossless": True}, "TIFF": {"compression": "tiff_lzw"}}


def picture(format, orientation=None, make="Maker"):
    exif = exif_with(orientation, make).tobytes()
    return encoded(Image.fromarray(smooth()), format, exif=exif, **FORMATS[format])


@pytest.mark.parametrize("format", FORMATS)
def test_metadata_leave_it_and_turns_change_it(format):
    first = fingerprint(picture(format))
    assert fingerprint(picture(format, make="Another maker")) == first
    assert fingerprint(picture(format, orientation=1)) == first
    assert fingerprint(picture(format, orientation=6)) != first
    for way in ("exif", "pixels"):
        assert fingerprint(turn_bytes(picture(format), 90.0, quarter_turns=way)[0]) != first
    assert len({first, *(fingerprint(turn_bytes(picture(format), angle)[0]) for angle in (20.0, 21.0))}) == 3


@pytest.mark.parametrize("data", [b"", b"II*\0", b"\xff\xd8\xff", b"\x89PNG", b"RIFF", b"BM" + bytes(60)])
def test_what_is_no_whole_picture_counts_byte_by_byte(data):
    assert fingerprint(data) == fingerprint(bytes(data)) != fingerprint(data + b"x")


def test_strips_that_claim_more_than_there_is_cost_nothing():
    count = 20_000
    head = struct.pack("<2sHI", b"II", 42, 8)
    tags = [(256, 4, 1, 1), (273, 4, count, 62), (279, 4, count, 62 + 4 * count)]
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    claimed = struct.pack(f"<{count}I", *[0] * count) + struct.pack(f"<{count}I", *[500_000] * count)
    data = (head + directory).ljust(62, b"\0") + claimed + bytes(400_000)
    tracemalloc.start()
    assert fingerprint(data) != fingerprint(data + b"x"), "all bytes count"
    assert tracemalloc.get_traced_memory()[1] < 40 << 20
    tracemalloc.stop()


def test_it_does_not_depend_on_where_the_strips_of_a_tiff_lie():
    file = io.BytesIO()
    Image.fromarray(smooth()).save(file, "TIFF", description="a title that moves all that lies behind it")
    plain = io.BytesIO()
    Image.fromarray(smooth()).save(plain, "TIFF")
    assert fingerprint(file.getvalue()) == fingerprint(plain.getvalue())
