"""GIF files: what they hold beside the pixels (GIF89a specification)."""

from __future__ import annotations

__all__ = ["what_is_lost"]

_KEPT = (b"NETSCAPE2.0", b"ANIMEXTS1.0")  # how often an animation repeats


def what_is_lost(data: bytes) -> str | None:
    """What Pillow would leave out if it saved the file again, as the subject of a sentence; None for nothing.

    Example:
        >>> what_is_lost(b"GIF89a" + bytes(6) + b"\\x32;")
        'its shape of pixels'
    """
    if len(data) > 12 and data[12] not in (0, 49):  # 49 is the number for squares
        return "its shape of pixels"
    at = 13 + _palette(data[10:11])
    while at < len(data):
        if data[at] == 0x21:  # an extension: its kind, then blocks of up to 255 bytes
            kind, name = data[at + 1 : at + 2], data[at + 3 : at + 14]
            if kind == b"\xff" and name not in _KEPT:
                return {b"ICCRGBG1012": "its colour profile", b"XMP DataXMP": "its XMP"}.get(name, "its extensions")
            if kind == b"\x01":
                return "its text"
            at = _after_blocks(data, at + 2)
        elif data[at] == 0x2C:  # an image
            at = _after_blocks(data, at + 11 + _palette(data[at + 9 : at + 10]))
        else:
            return None
    return None


def _palette(flags: bytes) -> int:
    """Bytes of the palette that the flags before it promise."""
    return 3 << (flags[0] % 8 + 1) if flags and flags[0] & 0x80 else 0


def _after_blocks(data: bytes, at: int) -> int:
    while at < len(data) and data[at]:
        at += 1 + data[at]
    return at + 1
