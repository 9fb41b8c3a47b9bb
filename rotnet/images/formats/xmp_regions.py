"""Places in a picture that XMP names, moved along with its pixels.

| what | where | how a place is told |
|---|---|---|
| faces and focus points of the Metadata Working Group | `mwg-rs:Regions` | centre, width and height, or diameter |
| people of Microsoft | `MP:RegionInfo` | left, top, width and height |
| image regions of the IPTC | `Iptc4xmpExt:ImageRegion` | rectangle, circle or polygon |
| the subject of EXIF | `exif:SubjectArea`, `exif:SubjectLocation` | pixels, as in EXIF itself |

All of them are of the picture as stored, before its orientation is heeded. The guidelines of the Metadata Working Group
and EXIF say so; Microsoft and the IPTC say nothing, and are taken alike. So a turn by the orientation alone moves none.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from rotnet.geometry.regions import (
    Move,
    Point,
    Rectangle,
    move_circle,
    move_point,
    move_polygon,
    move_rectangle,
    move_subject,
)
from rotnet.images.formats.xmp_tree import Edit, Element, Leaf, Name, edited, parse

__all__ = ["has_regions", "moved_regions"]

_MWG = "http://www.metadataworkinggroup.com/schemas/regions/"
_AREA = "http://ns.adobe.com/xmp/sType/Area#"
_DIMENSIONS = "http://ns.adobe.com/xap/1.0/sType/Dimensions#"
_PEOPLE = "http://ns.microsoft.com/photo/1.2/"
_PEOPLE_INFO = "http://ns.microsoft.com/photo/1.2/t/RegionInfo#"
_PERSON = "http://ns.microsoft.com/photo/1.2/t/Region#"
_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_EXIF = "http://ns.adobe.com/exif/1.0/"
_SUBJECTS = ((_EXIF, "SubjectArea"), (_EXIF, "SubjectLocation"))
_MARKS = (_MWG.encode(), _PEOPLE.encode(), b"ImageRegion", b"SubjectArea", b"SubjectLocation")
_Fields = dict[Name, Leaf | Element]


def has_regions(xmp: bytes) -> bool:
    """Whether a packet may name places in the picture.

    Example:
        >>> has_regions(b"<x:xmpmeta/>")
        False
    """
    return any(mark in xmp for mark in _MARKS)


def moved_regions(xmp: bytes, move: Move) -> bytes:
    """A packet whose places are those of the moved picture; those that lie wholly outside now are left out.

    A region that is told in no way that is known stays as it is.

    Args:
        xmp: The packet.
        move: What became of the pixels as stored.

    Raises:
        ValueError: The packet is damaged, or not as any program writes it; see `rotnet.images.formats.xmp_tree.parse`.
    """
    if not has_regions(xmp):
        return xmp
    edits: list[Edit] = []
    for element in parse(xmp).all():
        if element.name == (_MWG, "Regions"):
            edits += _mwg(element, move)
        elif element.name == (_PEOPLE, "RegionInfo"):
            edits += _people(element, move)
        elif element.name == (_IPTC, "ImageRegion"):
            edits += _each(element.items(), move, xmp)
        elif element.name in _SUBJECTS:
            edits += _subject(element, move)
    return edited(xmp, edits)


# Metadata Working Group -----------------------------------------------------------------------------------------------


def _mwg(regions: Element, move: Move) -> Iterator[Edit]:
    info = regions.fields()
    if isinstance(applied := info.get((_MWG, "AppliedToDimensions")), Element):
        dimensions = applied.fields()
        unit = _text(dimensions, (_DIMENSIONS, "unit"))
        for name, side in zip("wh", move.after, strict=True):
            leaf = _leaf(dimensions, (_DIMENSIONS, name))
            if leaf is not None and unit in ("", "pixel"):
                yield leaf.to(str(round(side)))
    if not isinstance(listed := info.get((_MWG, "RegionList")), Element):
        return
    for item in listed.items():
        fields = item.fields()
        area = fields.get((_MWG, "Area"))
        if not isinstance(area, Element):
            continue
        moved = _moved_area(area.fields(), move)
        if moved is None:
            yield item.start, item.stop, b""
            continue
        yield from moved
        rotation = _leaf(fields, (_MWG, "Rotation"))
        if moved and rotation is not None and not move.is_exact:  # the new rectangle is parallel to the sides
            yield rotation.to("0")


def _moved_area(area: _Fields, move: Move) -> list[Edit] | None:
    """Edits of one area; none where it is not understood, None where it is outside."""
    is_pixels = _text(area, (_AREA, "unit")) == "pixel"
    (width, height), (new_width, new_height) = _units(is_pixels, move)
    leaves = {name: leaf for name in "xywhd" if (leaf := _leaf(area, (_AREA, name))) is not None}
    values = {name: number for name, leaf in leaves.items() if (number := _number(leaf.text)) is not None}
    if len(values) < len(leaves) or not {"x", "y"} <= values.keys():
        return []
    x, y = values["x"] / width, values["y"] / height
    new: dict[str, float] = {}
    if {"w", "h"} <= values.keys():
        across, down = values["w"] / width / 2, values["h"] / height / 2
        box = move_rectangle(move, (x - across, y - down, x + across, y + down))
        if box is None:
            return None
        left, top, right, bottom = box
        new = {"x": (left + right) / 2, "y": (top + bottom) / 2, "w": right - left, "h": bottom - top}
    elif "d" in values:  # a share of the shorter side
        shorter, new_shorter = (1.0, 1.0) if is_pixels else (min(move.before), min(move.after))
        pixels = values["d"] * shorter
        circle = move_circle(move, (x, y), pixels / move.before[0] / 2)
        if circle is None:
            return None
        new = {"x": circle[0][0], "y": circle[0][1]}
        new["d"] = pixels / new_shorter / new_width  # the scale of sides is undone below
    else:
        point = move_point(move, (x, y))
        if point is None:
            return None
        new = {"x": point[0], "y": point[1]}
    sides = {"x": new_width, "y": new_height, "w": new_width, "h": new_height, "d": new_width}
    return [leaves[name].to(_written(value * sides[name], move, is_pixels)) for name, value in new.items()]


# Microsoft ------------------------------------------------------------------------------------------------------------


def _people(info: Element, move: Move) -> Iterator[Edit]:
    if not isinstance(regions := info.fields().get((_PEOPLE_INFO, "Regions")), Element):
        return
    for item in regions.items():
        leaf = _leaf(item.fields(), (_PERSON, "Rectangle"))
        values = [_number(one) for one in leaf.text.split(",")] if leaf is not None else []
        if leaf is None or len(values) != 4 or None in values:
            continue
        left, top, width, height = (value or 0.0 for value in values)
        box = move_rectangle(move, (left, top, left + width, top + height))
        if box is None:
            yield item.start, item.stop, b""
        else:
            yield leaf.to(", ".join(_written(one, move) for one in _with_sides(box)))


# IPTC -----------------------------------------------------------------------------------------------------------------


def _each(items: Iterable[Element], move: Move, xmp: bytes) -> Iterator[Edit]:
    for item in items:
        boundary = item.fields().get((_IPTC, "RegionBoundary"))
        if not isinstance(boundary, Element):  # it is the whole picture
            continue
        moved = _moved_boundary(boundary.fields(), move, xmp)
        if moved is None:
            yield item.start, item.stop, b""
        else:
            yield from moved


def _moved_boundary(boundary: _Fields, move: Move, xmp: bytes) -> list[Edit] | None:
    """As `_moved_area`."""
    is_pixels = _text(boundary, (_IPTC, "rbUnit")) == "pixel"
    (width, height), (new_width, new_height) = _units(is_pixels, move)
    shape = _text(boundary, (_IPTC, "rbShape"))
    if shape == "polygon":
        vertices = boundary.get((_IPTC, "rbVertices"))
        return _moved_vertices(vertices.items(), move, is_pixels, xmp) if isinstance(vertices, Element) else []
    names = {"rectangle": ("rbX", "rbY", "rbW", "rbH"), "circle": ("rbX", "rbY", "rbRx")}.get(shape, ())
    leaves = [_leaf(boundary, (_IPTC, name)) for name in names]
    values = [_number(leaf.text) if leaf is not None else None for leaf in leaves]
    if not names or None in values:
        return []
    x, y, *rest = (value or 0.0 for value in values)
    new: tuple[float, ...]
    if shape == "rectangle":
        box = move_rectangle(move, (x / width, y / height, (x + rest[0]) / width, (y + rest[1]) / height))
        if box is None:
            return None
        left, top, across, down = _with_sides(box)
        new = left * new_width, top * new_height, across * new_width, down * new_height
    else:
        circle = move_circle(move, (x / width, y / height), rest[0] / width)
        if circle is None:
            return None
        new = circle[0][0] * new_width, circle[0][1] * new_height, circle[1] * new_width
    pairs = zip(leaves, new, strict=True)
    return [leaf.to(_written(value, move, is_pixels)) for leaf, value in pairs if leaf is not None]


def _moved_vertices(items: list[Element], move: Move, is_pixels: bool, xmp: bytes) -> list[Edit] | None:
    """The vertices of a polygon, of which there may be more or fewer now, each written as one of the old ones is."""
    (width, height), (new_width, new_height) = _units(is_pixels, move)
    leaves = [[_leaf(item.fields(), (_IPTC, name)) for name in ("rbX", "rbY")] for item in items]
    places = [[_number(leaf.text) if leaf is not None else None for leaf in pair] for pair in leaves]
    if not items or any(None in place for place in places):
        return []
    polygon = move_polygon(move, [((x or 0.0) / width, (y or 0.0) / height) for x, y in places])
    if not polygon:
        return None
    written = []
    for number, (x, y) in enumerate(polygon):
        like = min(number, len(items) - 1)
        item, pair = items[like], leaves[like]
        at = [(leaf.start - item.start, leaf.stop - item.start) for leaf in pair if leaf is not None]
        values = [_written(one, move, is_pixels).encode() for one in (x * new_width, y * new_height)]
        edits = [(*place, value) for place, value in zip(at, values, strict=True)]
        written.append(edited(xmp[item.start : item.stop], edits))
    return [(items[0].start, items[-1].stop, b"".join(written))]


# EXIF -----------------------------------------------------------------------------------------------------------------


def _subject(element: Element, move: Move) -> Iterator[Edit]:
    leaves = [leaf for item in element.items() if (leaf := item.value) is not None]
    values = [_number(leaf.text) for leaf in leaves]
    if not 2 <= len(values) <= 4 or None in values:
        return
    moved = move_subject(move, [round(value or 0.0) for value in values])
    if moved is None:
        yield element.start, element.stop, b""
    else:
        yield from (leaf.to(str(value)) for leaf, value in zip(leaves, moved, strict=True))


# Values ---------------------------------------------------------------------------------------------------------------


def _units(is_pixels: bool, move: Move) -> tuple[Point, Point]:
    """What the sides of the picture before and after count for in the numbers of a region."""
    return (move.before, move.after) if is_pixels else ((1.0, 1.0), (1.0, 1.0))


def _with_sides(box: Rectangle) -> tuple[float, float, float, float]:
    return box[0], box[1], box[2] - box[0], box[3] - box[1]


def _leaf(fields: _Fields, name: Name) -> Leaf | None:
    found = fields.get(name)
    return found.value if isinstance(found, Element) else found


def _text(fields: _Fields, name: Name) -> str:
    leaf = _leaf(fields, name)
    return leaf.text.strip().lower() if leaf is not None else ""


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) < 1e9 else None


def _written(value: float, move: Move, is_pixels: bool = False) -> str:
    """A number; what an exact turn has moved keeps all its digits, what others have is known no better than a pixel."""
    text = f"{value:.{9 if move.is_exact else 2 if is_pixels else 6}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
