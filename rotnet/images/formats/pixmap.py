"""The headers of portable pixmaps (PBM, PGM, PPM): numbers and comments."""

from __future__ import annotations

import re

__all__ = ["largest_value", "with_comments"]

_FIELD = rb"(?:\s|#[^\n\r]*[\n\r])+(\d+)"
_HEADER = {2: re.compile(rb"P[14]" + 2 * _FIELD), 3: re.compile(rb"P[2356]" + 3 * _FIELD)}
_COMMENT = re.compile(rb"#[^\n\r]*")
_LONGEST = 1 << 16  # bytes of a header, comments included


def largest_value(data: bytes) -> int:
    """The pixel value that stands for full brightness; 1 where the header does not tell.

    Example:
        >>> largest_value(b"P6 # scanned\\n4 4 65535\\n")
        65535
    """
    match = _header(data)
    return int(match[3]) if match and match.re is _HEADER[3] else 1


def with_comments(data: bytes, original: bytes) -> bytes:
    """A pixmap with the comments in the header of another.

    Example:
        >>> with_comments(b"P5\\n2 1\\n255\\nab", b"P5\\n# by hand\\n1 2\\n255\\nab")
        b'P5\\n# by hand\\n2 1\\n255\\nab'
    """
    match = _header(original)
    comments = _COMMENT.findall(match[0]) if match else []
    if not comments:
        return data
    return data[:2] + b"".join(b"\n" + comment for comment in comments) + data[2:]


def _header(data: bytes) -> re.Match[bytes] | None:
    return next((match for header in _HEADER.values() if (match := header.match(data, 0, _LONGEST))), None)
