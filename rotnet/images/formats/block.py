"""The block that JPEG, PNG and WebP files are made of."""

from __future__ import annotations

from dataclasses import dataclass


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
