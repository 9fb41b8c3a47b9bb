"""Files made to cost time and memory.

`python hostile.py KIND` prints what one costs to read, to turn and to turn by a quarter, and the answers, as JSON.
"""

import json
import resource
import struct
import sys
import time
import zlib

import numpy as np
from pictures import encoded, smooth
from PIL import Image

PICTURE = smooth(96, 128)


def directory(tags, order="<", start=8):
    """A TIFF of one directory, whose tags are `(number, type, count, value or place)`."""
    entries = b"".join(struct.pack(order + "HHII", *tag) for tag in tags)
    return (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", start, len(tags)) + entries + bytes(4)


def greedy(size, count=5000, type=7):
    """EXIF whose tags each claim all of it."""
    units = (size - 8) // {7: 1, 3: 2}[type]
    return directory([(0x0112, 3, 1, 6), *((0x9000 + n, type, units, 8) for n in range(count))]).ljust(size, b"\0")


def jpeg_with(segments):
    plain = encoded(PICTURE, "JPEG")
    return plain[:2] + segments + plain[2:]


def segment(marker, payload):
    return bytes([0xFF, marker]) + (len(payload) + 2).to_bytes(2, "big") + payload


def split_exif(block):
    parts = (block[at : at + 65527] for at in range(0, len(block), 65527))
    return b"".join(segment(0xE1, b"Exif\0\0" + part) for part in parts)


def chunk(kind, content):
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")


def png_with(chunks):
    plain = encoded(PICTURE)
    return plain[:33] + chunks + plain[33:]


def webp_with(chunks):
    plain = encoded(PICTURE, "WEBP", exif=Image.Exif().tobytes(), xmp=b"x")
    body = plain[8:] + chunks
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def xmp_chunk(packet, *, compressed=False):
    head = b"XML:com.adobe.xmp\0" + bytes([compressed, 0, 0, 0])
    return chunk(b"iTXt", head + (zlib.compress(packet) if compressed else packet))


def tiff_pages(count):
    first = encoded(PICTURE, "TIFF")
    at = len(first) + len(first) % 2
    data = bytearray(first.ljust(at, b"\0"))
    (offset,) = struct.unpack_from("<I", data, 4)
    (length,) = struct.unpack_from("<H", data, offset)
    struct.pack_into("<I", data, offset + 2 + 12 * length, at)
    page = struct.pack("<H", 1) + struct.pack("<HHII", 256, 4, 1, 1)
    for number in range(count):
        data += page + struct.pack("<I", at + 18 * (number + 1) if number + 1 < count else 0)
    return bytes(data)


def tiff_with(tags):
    """A plain TIFF with more tags, which each claim a place in it."""
    data = bytearray(encoded(PICTURE, "TIFF"))
    (offset,) = struct.unpack_from("<I", data, 4)
    (length,) = struct.unpack_from("<H", data, offset)
    entries = bytes(data[offset + 2 : offset + 2 + 12 * length])
    new = struct.pack("<I", len(data))
    data += struct.pack("<H", length + len(tags)) + entries + b"".join(struct.pack("<HHII", *tag) for tag in tags)
    data[4:8] = new
    return bytes(data) + bytes(4)


def greedy_avif():
    """Pillow writes tags anew, so that theirs are put into their place."""
    honest = directory([(0x9000, 7, 999_900, 100)]).ljust(1_000_000, b"x")
    data = encoded(PICTURE, "AVIF", exif=b"Exif\0\0" + honest)
    start = data.index(b"II*\0")
    return data[:start] + greedy(999_000) + data[start + 999_000 :]


def many_scans(count=2000, side=2000):
    """A progressive JPEG with more and more scans that add nothing."""
    data = encoded(np.full((side, side), 128, np.uint8), "JPEG", progressive=True)
    refine = segment(0xC4, bytes([0x10, *([1] + 15 * [0]), 0xE0])) + segment(0xDA, bytes([1, 1, 0, 1, 63, 0x00]))
    return data[:-2] + count * (refine + bytes(4)) + b"\xff\xd9"


THUMBNAILS = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">' + b"<xmp:Thumbnails>" * 60_000 + b"</x:xmpmeta>"

FILES = {
    "unclosed thumbnails": lambda: png_with(xmp_chunk(THUMBNAILS)),
    "greedy EXIF of a PNG": lambda: png_with(chunk(b"eXIf", greedy(1_000_000))),
    "greedy EXIF of numbers": lambda: png_with(chunk(b"eXIf", greedy(1_000_000, 400, type=3))),
    "greedy EXIF of a JPEG": lambda: jpeg_with(split_exif(greedy(1_000_000))),
    "greedy EXIF of a WebP": lambda: encoded(PICTURE, "WEBP", exif=b"Exif\0\0" + greedy(1_000_000)),
    "greedy EXIF of an AVIF": greedy_avif,
    "greedy TIFF": lambda: tiff_with([(40_000 + n, 7, 900_000, 8) for n in range(5000)]) + bytes(900_000),
    "numbers of a TIFF": lambda: tiff_with([(65_000, 3, 40_000_000, 8)]) + bytes(80_000_000),
    "EXIF in many segments": lambda: jpeg_with(split_exif(directory([(0x0112, 3, 1, 6)]).ljust(26_000_000, b"\0"))),
    "EXIF again and again": lambda: jpeg_with(400 * segment(0xE1, b"Exif\0\0" + greedy(65_000))),
    "a million segments": lambda: jpeg_with(1_000_000 * segment(0xEB, b"")),
    "a million chunks": lambda: png_with(1_000_000 * chunk(b"quIt", b"")),
    "a million chunks of WebP": lambda: webp_with(1_000_000 * b"quIt\0\0\0\0"),
    "a million pages": lambda: tiff_pages(300_000),
    "a million resources": lambda: jpeg_with(
        400 * segment(0xED, b"Photoshop 3.0\0" + 5000 * b"8BIM\x04\0\0\0\0\0\0\0")
    ),
    "compressed XMP": lambda: png_with(xmp_chunk(bytes(90_000_000), compressed=True)),
    "compressed EXIF": lambda: png_with(
        chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n 9\n" + b"0" * 90_000_000))
    ),
    "many scans": many_scans,
    "GIF of 448 megapixels": lambda: encoded(Image.new("P", (21_166, 21_166)), "GIF"),
}


def main(kind):
    data = FILES[kind]()
    from rotnet.errors import RotNetError
    from rotnet.images import reading, turn_file

    reading.read_image(encoded(PICTURE))
    reading.readable_formats()
    turn_file.turn_bytes(encoded(PICTURE, "JPEG"), 17.0)
    for use in (
        lambda: str(reading.read_image(data).shape),
        lambda: turn_file.turn_bytes(data, 17.0)[1],
        lambda: turn_file.turn_bytes(data, 90.0)[1],
    ):
        before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
        try:
            answer = use()
        except RotNetError as error:
            answer = str(error)
        seconds = time.perf_counter() - start
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        print(json.dumps({"seconds": round(seconds, 2), "mb": round(grown / 1e3), "answer": answer}))


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
    main(*sys.argv[1:])
