"""JPEG, PNG, WebP and TIFF files taken apart into blocks, so that metadata pass from one to another byte for byte.

Only what must change is changed (orientation, size, thumbnail); blocks that no one here knows are carried along.
"""

from __future__ import annotations

from dataclasses import replace

from rotnet.images.formats import jpeg, png, webp
from rotnet.images.formats.block import Block
from rotnet.images.formats.exif import Facts, orientation_of, retag_exif, retag_xmp, without_thumbnails
from rotnet.images.formats.tiff import graft_tiff, retag_tiff

__all__ = ["SPLIT", "graft", "orientation", "retag"]

SPLIT = {"JPEG": jpeg.split_blocks, "PNG": png.split_blocks, "WEBP": webp.split_blocks}
_MOST_METADATA = 16  # blocks of EXIF and XMP; one of each is the rule


def orientation(data: bytes, format: str, default: int = 1) -> int:
    """The orientation that a file asks for, 1 to 8.

    Args:
        data: The file.
        format: `"JPEG"`, `"PNG"`, `"WEBP"` or `"TIFF"`.
        default: The answer where the file does not ask, or asks for nonsense.

    Raises:
        ValueError: The file is damaged.
    """
    if format == "TIFF":
        return orientation_of(data, None, default)
    blocks, _, _ = SPLIT[format](data)
    content = {block.role: block.content for block in reversed(blocks)}  # the first of its role counts
    return orientation_of(content.get("exif"), content.get("xmp"), default)


def retag(data: bytes, format: str, facts: Facts) -> bytes:
    """The same file, pixels untouched, with true metadata; EXIF is added where it lacks and is needed.

    Args:
        data: The file.
        format: `"JPEG"`, `"PNG"`, `"WEBP"` or `"TIFF"`.
        facts: What is true of it now.

    Raises:
        ValueError: The file is damaged, or the metadata have no room left.
    """
    if format == "TIFF":
        return retag_tiff(data, facts)
    blocks, scan, tail = SPLIT[format](data)
    blocks = _all_true(blocks, facts)
    if facts.orientation != 1 and not any(block.role == "exif" for block in blocks):
        kind, head = _NEW_EXIF[format]
        first = 0 if format == "JPEG" and (not blocks or blocks[0].role != "jfif") else 1
        blocks.insert(first, Block(kind, "exif", head, retag_exif(b"", facts)))
    return _JOIN[format](blocks, scan) + tail


def graft(original: bytes, bare: bytes, format: str, facts: Facts) -> bytes:
    """The pixels of one file with the metadata of another, and with what lies behind its end, such as a video.

    Args:
        original: The file that gives the metadata.
        bare: The file that gives the pixels.
        format: `"JPEG"`, `"PNG"`, `"WEBP"` or `"TIFF"`, of both.
        facts: What is true of the pixels.

    Raises:
        ValueError: The original is damaged, or the metadata have no room left.
    """
    if format == "TIFF":
        return graft_tiff(original, bare, facts)
    blocks, _, tail = SPLIT[format](original)
    kept = _all_true([block for block in blocks if block.role not in ("pixels", "thumbnail")], facts)
    new, scan, _ = SPLIT[format](bare)
    pixels = [block for block in new if block.role == "pixels"]
    first = 1 if format == "PNG" else 0  # its header
    return _JOIN[format]([*pixels[:first], *kept, *pixels[first:]], scan) + tail


def _all_true(blocks: list[Block], facts: Facts) -> list[Block]:
    if sum(block.role in ("exif", "xmp") for block in blocks) > _MOST_METADATA:
        raise ValueError(f"it has more than {_MOST_METADATA} blocks of EXIF and XMP")
    return [_true_of(block, facts) for block in blocks]


def _true_of(block: Block, facts: Facts) -> Block:
    content = block.content
    if block.role == "exif":
        room = max(jpeg.SEGMENT - len(block.head), len(content)) if block.kind == b"\xff\xe1" else 1 << 32
        content = retag_exif(content, facts, room=room)
        if len(content) > room:  # what is added would lie in a further segment, where most programs do not look
            raise ValueError("its metadata leave no room")
    elif block.role == "xmp":
        content = retag_xmp(content, facts)
    elif facts.thumbnail is not None and block.role == "photoshop":
        content = without_thumbnails(content)
    elif facts.thumbnail is not None and block.role == "jfif":
        content = content[:7] + b"\0\0"
    return replace(block, content=content)


_JOIN = {"JPEG": jpeg.join_blocks, "PNG": png.join_blocks, "WEBP": webp.join_blocks}
_NEW_EXIF = {"JPEG": (b"\xff\xe1", b"Exif\0\0"), "PNG": (b"eXIf", b""), "WEBP": (b"EXIF", b"")}
