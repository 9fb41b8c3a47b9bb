"""The directories of tags of a TIFF, which is also the form of EXIF and of the index of a multi-picture JPEG.

Tags are read as raw bytes and either changed where they stand or copied whole: whatever refers to a place in the file,
as the notes of camera makers do, stays true, and no value passes through another type.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["SIZES", "Tag", "append_directory", "byte_order", "first_directory", "most_claimed", "read_directory"]
__all__ += ["remove_tag", "set_number", "set_numbers", "with_number"]

# bytes of one value, by type
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
# what has a byte order of its own: a rational is two numbers
_UNITS = SIZES | {5: 4, 10: 4}
_INTEGERS = {1: "B", 3: "H", 4: "I", 13: "I"}


@dataclass(frozen=True)
class Tag:
    """One tag: type code, number of values, their bytes in the order of the file, and where these stand in it."""

    type: int
    count: int
    value: bytes | memoryview
    position: int = 0

    def number(self, order: str) -> int | None:
        """The first value, None if it is not a whole number."""
        code = _INTEGERS.get(self.type)
        return struct.unpack_from(order + code, self.value)[0] if code and self.count else None

    def numbers(self, order: str) -> tuple[int, ...]:
        """All values, none if they are not whole numbers."""
        code = _INTEGERS.get(self.type)
        return struct.unpack_from(f"{order}{self.count}{code}", self.value) if code else ()

    def reordered(self, before: str, after: str) -> Tag:
        """The tag for a file of another byte order."""
        unit = _UNITS[self.type]
        if before == after or unit == 1:
            return self
        return Tag(self.type, self.count, np.frombuffer(self.value, f"u{unit}").byteswap().tobytes())


def byte_order(data: bytes | bytearray) -> str:
    """`"<"` or `">"` as in `struct`.

    Raises:
        ValueError: It is not a TIFF, or one of more than 4 GB (BigTIFF).

    Example:
        >>> byte_order(b"MM" + bytes([0, 42, 0, 0, 0, 8]))
        '>'
    """
    for magic, order in ((b"II*\0", "<"), (b"MM\0*", ">")):
        if data[:4] == magic:
            return order
    is_big = data[:4] in (b"II+\0", b"MM\0+")
    raise ValueError("a BigTIFF, which is not changed" if is_big else "not a TIFF")


def first_directory(data: bytes | bytearray) -> tuple[dict[int, Tag], int]:
    """As `read_directory`, of the directory that the header points to."""
    order = byte_order(data)
    if len(data) < 8:
        raise ValueError("header cut off")
    return read_directory(data, struct.unpack_from(order + "I", data, 4)[0])


def read_directory(data: bytes | bytearray, offset: int) -> tuple[dict[int, Tag], int]:
    """Tags by number, and the offset of the next directory, 0 after the last.

    Args:
        data: The whole TIFF.
        offset: Where the directory begins.

    Raises:
        ValueError: The directory lies outside the file, or its tags together claim far more than the file holds. A
            single tag whose value lies outside is left out.
    """
    order = byte_order(data)
    try:
        (length,) = struct.unpack_from(order + "H", data, offset)
        end = offset + 2 + 12 * length
        if end > len(data):
            raise ValueError("directory outside the file")
        # many writers of EXIF leave out the offset of a next directory where this is the last
        following = struct.unpack_from(order + "I", data, end)[0] if end + 4 <= len(data) else 0
    except struct.error as error:
        raise ValueError(f"directory outside the file: {error}") from error
    tags: dict[int, Tag] = {}
    claimed = 0
    whole = memoryview(data)  # a slice of it is no copy
    for entry in range(offset + 2, offset + 2 + 12 * length, 12):
        number, type, count = struct.unpack_from(order + "HHI", data, entry)
        if type not in SIZES:
            continue
        size = count * SIZES[type]
        position = entry + 8 if size <= 4 else struct.unpack_from(order + "I", data, entry + 8)[0]
        if position + size > len(data):
            continue  # one bad tag; the others hold
        claimed += size
        if claimed > most_claimed(len(data)):
            raise ValueError("its tags claim more bytes than it has")
        value = whole[position : position + size]
        # what may grow must not be looked into meanwhile
        tags.setdefault(number, Tag(type, count, value if isinstance(data, bytes) else bytes(value), position))
    return tags, following


def most_claimed(size: int) -> int:
    """Bytes that the values of one directory may have together, in a file of so many.

    Some writers let two tags share a value, and a damaged count may reach to the end. Values that each claim the whole
    file cost whoever reads them its size times their number.
    """
    return 2 * size + (4 << 20)


def set_number(data: bytearray, tag: Tag, value: int) -> None:
    """Overwrite the first value of a whole-number tag where it stands; a value too large for its type is left out."""
    code = _INTEGERS.get(tag.type)
    if code and tag.count and value < 1 << (8 * SIZES[tag.type]):
        struct.pack_into(byte_order(data) + code, data, tag.position, value)


def set_numbers(data: bytearray, tag: Tag, values: Sequence[int]) -> None:
    """As `set_number`, of as many values as there are; where one is too large for the type, all are left."""
    code = _INTEGERS.get(tag.type)
    if code and tag.count == len(values) and all(0 <= value < 1 << (8 * SIZES[tag.type]) for value in values):
        struct.pack_into(f"{byte_order(data)}{tag.count}{code}", data, tag.position, *values)


def remove_tag(data: bytearray, offset: int, number: int) -> None:
    """Take a tag out of the directory that begins at a place; all else stays where it is.

    Raises:
        ValueError: The directory lies outside the file.
    """
    read_directory(data, offset)  # which checks it
    order = byte_order(data)
    (length,) = struct.unpack_from(order + "H", data, offset)
    first, end = offset + 2, offset + 2 + 12 * length
    for at in range(first, end, 12):
        if struct.unpack_from(order + "H", data, at)[0] == number:
            following = data[at + 12 : end + 4]
            data[at : at + len(following)] = following
            struct.pack_into(order + "H", data, offset, length - 1)
            return


def with_number(data: bytes, number: int, value: int) -> bytes:
    """A TIFF with one short whole-number tag of its first directory set.

    A tag that is missing is added in a copy of the directory at the end of the file, so that all else stays in place.

    Raises:
        ValueError: The first directory is damaged, or full.

    Example:
        >>> empty = b"II*" + bytes([0, 8, 0, 0, 0]) + bytes(6)
        >>> first_directory(with_number(empty, 274, 6))[0][274].number("<")
        6
    """
    order, (tags, _) = byte_order(data), first_directory(data)
    result = bytearray(data)
    tag = tags.get(number)
    if tag is not None and tag.type in _INTEGERS and tag.count:
        set_number(result, tag, value)
        return bytes(result)
    (offset,) = struct.unpack_from(order + "I", data, 4)
    (length,) = struct.unpack_from(order + "H", data, offset)
    entries = [data[at : at + 12] for at in range(offset + 2, offset + 2 + 12 * length, 12)]
    entries = [entry for entry in entries if entry[:2] != struct.pack(order + "H", number)]
    entries.append(struct.pack(order + "HHIHH", number, 3, 1, value, 0))
    entries.sort(key=lambda entry: struct.unpack_from(order + "H", entry)[0])
    result += bytes(len(result) % 2)
    struct.pack_into(order + "I", result, 4, len(result))
    result += struct.pack(order + "H", len(entries)) + b"".join(entries)
    result += data[offset + 2 + 12 * length : offset + 6 + 12 * length]
    return bytes(result)


def append_directory(data: bytearray, tags: Mapping[int, Tag]) -> int:
    """Write a directory and its values at the end of a TIFF.

    Args:
        data: The TIFF, which grows.
        tags: Tags by number, their values in the byte order of `data`.

    Returns:
        The offset of the directory.
    """
    order = byte_order(data)
    entries = []
    for number, tag in sorted(tags.items()):
        if len(tag.value) <= 4:
            value = bytes(tag.value)
        else:
            data += bytes(len(data) % 2)
            value = struct.pack(order + "I", len(data))
            data += tag.value
        entries.append(struct.pack(order + "HHI", number, tag.type, tag.count) + value.ljust(4, b"\0"))
    data += bytes(len(data) % 2)
    offset = len(data)
    data += struct.pack(order + "H", len(entries)) + b"".join(entries) + bytes(4)
    return offset
