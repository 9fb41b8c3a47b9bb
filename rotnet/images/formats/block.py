"""The block that JPEG, PNG and WebP files are made of."""

from __future__ import annotations

from dataclasses import dataclass

MOST = 10_000
SMALL = 1024


def refuse_crumbs(count: int, size: int) -> None:
    """Raise ValueError for a file of more blocks than any program writes, which cost more than what they hold.

    Args:
        count: Blocks up to here.
        size: Bytes up to here. Large pictures may have many blocks of a few kilobytes.

    Example:
        >>> refuse_crumbs(20_000, 100_000_000)
        >>> refuse_crumbs(20_000, 100_000)
        Traceback (most recent call last):
        ValueError: it has more than 10,000 blocks of few bytes each
    """
    if count > MOST and size < count * SMALL:
        raise ValueError(f"it has more than {MOST:,} blocks of few bytes each")


@dataclass(frozen=True)
class Block:
    """A segment of JPEG or a chunk of PNG or WebP.

    Attributes:
        kind: What the format calls it.
        role: `"pixels"` for what only makes sense with the pixels beside it, `"exif"`, `"xmp"`, `"photoshop"`,
            `"jfif"`, `"index"` of further pictures, `"thumbnail"`, or `"other"`.
        head: Bytes that say what the content is.
        content: The rest.
    """

    kind: bytes
    role: str
    head: bytes
    content: bytes
