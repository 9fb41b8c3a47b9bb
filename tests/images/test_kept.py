"""What a turned file keeps beside its pixels, or is refused for: silent losses are the worst."""

import io
import struct
import zlib

import numpy as np
import pytest
from pictures import encoded, smooth
from PIL import Image

from rotnet.errors import ImageError
from rotnet.images.formats.ifd import first_directory
from rotnet.images.turn_file import turn_bytes

PICTURE = smooth(48, 64)
IPTC = b"\x1c\x02\x78\x00\x10A photo of a cat" + bytes(3)


def big_endian_tiff(tags):
    """A gray TIFF in the byte order of Motorola; tags hold bytes as they are, whatever their type."""
    pixels = PICTURE[:, :, 0].tobytes()
    values = {256: 64, 257: 48, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 48, 279: len(pixels)}
    data = bytearray(b"MM\0*" + bytes(4) + pixels)
    entries = [(number, struct.pack(">HHII", number, 4, 1, value)) for number, value in values.items()]
    for number, (kind, unit, content) in tags.items():
        entries.append((number, struct.pack(">HHII", number, kind, len(content) // unit, len(data))))
        data += content
    data[4:8] = struct.pack(">I", len(data))
    return bytes(data + struct.pack(">H", len(entries)) + b"".join(entry for _, entry in sorted(entries)) + bytes(4))


@pytest.mark.parametrize(
    "number, kind, unit",
    [*((number, *kind) for number in (33723, 34377) for kind in ((4, 4), (3, 2), (7, 1))), (34675, 7, 1), (700, 1, 1)],
)
@pytest.mark.parametrize("angle", [17.0, 180.0, 90.0])
def test_blocks_of_other_standards_stay_byte_for_byte(number, kind, unit, angle):
    data = big_endian_tiff({number: (kind, unit, IPTC), 40_000: (3, 2, b"\x01\x02\x03\x04\x05\x06")})
    turned, _ = turn_bytes(data, angle, quarter_turns="pixels" if angle == 180.0 else "auto")
    tags, _ = first_directory(turned)
    assert bytes(tags[number].value) == IPTC
    swapped = turned[:2] == b"II"
    assert bytes(tags[40_000].value) == (b"\x02\x01\x04\x03\x06\x05" if swapped else b"\x01\x02\x03\x04\x05\x06")


def gif(*, aspect=0, extensions=b""):
    data = encoded(Image.fromarray(PICTURE[:, :, 0]), "GIF", comment=b"by hand")
    at = 13 + (3 << (data[10] % 8 + 1))
    return data[:12] + bytes([aspect]) + data[13:at] + extensions + data[at:]


def extension(name, content):
    return b"\x21\xff\x0b" + name + bytes([len(content)]) + content + b"\0"


def bitmap(kind, ends=bytes(48)):
    """A BMP of version 5."""
    pixels = np.zeros((4, 4, 3), np.uint8).tobytes()
    header = struct.pack("<IiiHHIIiiII", 124, 4, 4, 1, 24, 0, len(pixels), 2835, 2835, 0, 0) + bytes(16) + kind + ends
    header = header.ljust(124, b"\0")
    return b"BM" + struct.pack("<IHHI", 138 + len(pixels), 0, 0, 138) + header + pixels


LOST = {
    "GIF with a profile": (lambda: gif(extensions=extension(b"ICCRGBG1012", b"profile")), "its colour profile"),
    "GIF with XMP": (lambda: gif(extensions=extension(b"XMP DataXMP", b"<x:xmpmeta/>")), "its XMP"),
    "GIF of oblong pixels": (lambda: gif(aspect=100), "its shape of pixels"),
    "GIF of a program": (lambda: gif(extensions=extension(b"PROGRAM 1.0", b"state")), "its extensions"),
    "BMP with a profile": (lambda: bitmap(b"DEBM"), "its colour profile"),
    "BMP with a linked profile": (lambda: bitmap(b"KNIL"), "its colour profile"),
    "BMP with its own colours": (lambda: bitmap(bytes(4), b"\x01" * 48), "its colour profile"),
    "pixmap of floats": (lambda: b"Pf\n4 4\n-1.0\n" + np.linspace(0, 1, 16, dtype="<f4").tobytes(), "floating-point"),
}


@pytest.mark.parametrize("angle", [90.0, 17.0])
@pytest.mark.parametrize("kind", LOST)
def test_what_would_be_lost_is_a_reason_to_refuse(kind, angle):
    data, told = LOST[kind]
    with pytest.raises(ImageError, match=f"in which .*{told}.* could not be kept; convert it to PNG or TIFF first"):
        turn_bytes(data(), angle)


@pytest.mark.parametrize("angle", [90.0, 17.0])
def test_what_can_be_kept_is(angle):
    turned, _ = turn_bytes(gif(extensions=extension(b"NETSCAPE2.0", b"\x01\0\0")), angle)
    assert Image.open(io.BytesIO(turned)).info["comment"] == b"by hand"
    for kind in (b"BGRs", b" niW", bytes(4)):
        assert turn_bytes(bitmap(kind), angle)[1] != "copy"


@pytest.mark.parametrize("magic, samples", [(b"P5", 1), (b"P6", 3)])
def test_comments_of_a_pixmap_stay(magic, samples):
    data = magic + b"\n# by hand, 1 2 3\n6 4 # wide\n#\n255\n" + bytes(range(24 * samples))
    turned, _ = turn_bytes(data, 90.0)
    assert turned.startswith(magic + b"\n# by hand, 1 2 3\n# wide\n#\n4 6\n255\n")
    before, after = (np.asarray(Image.open(io.BytesIO(file))) for file in (data, turned))
    np.testing.assert_array_equal(after, np.rot90(before, -1))


def test_comments_of_a_bitmap_of_one_bit_stay():
    turned, _ = turn_bytes(b"P4\n# faxed\n8 2\n\xf0\x0f", 180.0)
    assert turned == b"P4\n# faxed\n8 2\n\xf0\x0f"


def test_compressed_xmp_of_a_png_is_put_right():
    packet = b'<rdf:Description tiff:Orientation="6" xmp:Rating="5"/>'
    content = b"XML:com.adobe.xmp\0\x01\0\0\0" + zlib.compress(packet)
    plain = encoded(PICTURE)
    chunk = len(content).to_bytes(4, "big") + b"iTXt" + content + zlib.crc32(b"iTXt" + content).to_bytes(4, "big")
    turned, _ = turn_bytes(plain[:33] + chunk + plain[33:], 17.0)
    assert b'tiff:Orientation="1" xmp:Rating="5"' in turned
