"""Where places in a picture lie once it was turned: points, rectangles, circles and polygons, as metadata names them.

A `Move` maps pixels of the picture as stored to pixels of the new one. Places are shares of the picture's sides, from 0
at its left and upper edge to 1, unless a function says pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rotnet.geometry.angles import sin_cos

__all__ = [
    "Move",
    "Point",
    "Rectangle",
    "move_circle",
    "move_point",
    "move_polygon",
    "move_rectangle",
    "move_subject",
    "tilted_crop",
]

Point = tuple[float, float]
Rectangle = tuple[float, float, float, float]
"""Left, top, right and bottom."""

Size = tuple[float, float]
_Matrix = tuple[float, float, float, float]
# what an EXIF orientation does to (x, y) from the centre of stored pixels, y down
_ORIENTATIONS: dict[int, _Matrix] = {
    1: (1, 0, 0, 1),
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, -1, 1, 0),
    7: (0, -1, -1, 0),
    8: (0, 1, -1, 0),
}


@dataclass(frozen=True)
class Move:
    """What became of a picture's pixels: a map about its centre, which stays the centre.

    Attributes:
        before: `(width, height)` of the picture as stored, pixels.
        after: The same of the new one.
        matrix: `(a, b, c, d)`: from the centre, a pixel at `(x, y)` goes to `(a x + b y, c x + d y)`, y down.

    Example:
        >>> upright = Move.oriented((40, 30), 6)
        >>> upright.after, upright((0, 0))
        ((30, 40), (30.0, 0.0))
    """

    before: Size
    after: Size
    matrix: _Matrix

    @classmethod
    def oriented(cls, size: Size, orientation: int) -> Move:
        """What an EXIF orientation, 1 to 8, makes of stored pixels of this `(width, height)`."""
        return cls(size, size if orientation < 5 else (size[1], size[0]), _ORIENTATIONS[orientation])

    def turned_back(self, angle: float, size: Size) -> Move:
        """The same, after which the picture was turned back by an angle and cut, or grown, around its centre.

        Args:
            angle: Degrees, counter-clockwise as seen, that the picture was turned by and is no longer.
            size: `(width, height)` of the result, pixels.
        """
        sin, cos = sin_cos(angle)
        a, b, c, d = self.matrix
        return Move(self.before, size, (cos * a - sin * c, cos * b - sin * d, sin * a + cos * c, sin * b + cos * d))

    @property
    def is_exact(self) -> bool:
        """Whether sides stay sides: a quarter turn, several, or a mirroring."""
        return all(value in (-1.0, 0.0, 1.0) for value in self.matrix)

    @property
    def is_whole(self) -> bool:
        """Whether it is exact and nothing was cut off."""
        width, height = self.before if self.matrix[0] else self.before[::-1]
        return self.is_exact and self.after[0] >= width and self.after[1] >= height

    def __call__(self, pixel: Point) -> Point:
        """Where a point lies, pixels from the upper left corner."""
        x, y = pixel[0] - self.before[0] / 2, pixel[1] - self.before[1] / 2
        a, b, c, d = self.matrix
        return a * x + b * y + self.after[0] / 2, c * x + d * y + self.after[1] / 2


def move_point(move: Move, point: Point) -> Point | None:
    """Where a point lies; None where that is outside.

    Example:
        >>> move_point(Move.oriented((40, 30), 6), (0.25, 0.5))
        (0.5, 0.25)
    """
    moved = _moved(move, point)
    return moved if move.is_whole or all(0.0 <= one <= 1.0 for one in moved) else None


def move_rectangle(move: Move, rectangle: Rectangle) -> Rectangle | None:
    """The smallest rectangle around a moved one, cut at the edges of the picture; None where nothing of it is left.

    Example:
        >>> move_rectangle(Move.oriented((40, 30), 3), (0.0, 0.0, 0.25, 0.5))
        (0.75, 0.5, 1.0, 1.0)
    """
    left, top, right, bottom = rectangle
    corners = [_moved(move, corner) for corner in ((left, top), (right, top), (right, bottom), (left, bottom))]
    low, high = ([pick(axis) for axis in zip(*corners, strict=True)] for pick in (min, max))
    if move.is_whole:
        return low[0], low[1], high[0], high[1]
    left, top, right, bottom = *(max(0.0, one) for one in low), *(min(1.0, one) for one in high)
    return (left, top, right, bottom) if left < right and top < bottom else None


def move_circle(move: Move, centre: Point, radius: float) -> tuple[Point, float] | None:
    """Where a circle lies; None where it is wholly outside.

    Args:
        move: The map.
        centre: Of the circle.
        radius: As a share of the picture's width.

    Returns:
        The centre, also where it is outside, and the radius as a share of the new width.
    """
    x, y = _moved(move, centre)
    pixels = radius * move.before[0]
    across, down = pixels / move.after[0], pixels / move.after[1]
    beyond = math.hypot((x - min(max(x, 0.0), 1.0)) / (across or 1.0), (y - min(max(y, 0.0), 1.0)) / (down or 1.0))
    return ((x, y), across) if move.is_whole or beyond < 1.0 else None


def move_polygon(move: Move, vertices: Sequence[Point]) -> list[Point]:
    """The vertices of a moved polygon, cut at the edges of the picture; empty where nothing of it is left.

    Example:
        >>> move_polygon(Move.oriented((40, 30), 2), [(0.0, 0.0), (0.5, 0.0), (0.0, 1.0)])
        [(1.0, 0.0), (0.5, 0.0), (1.0, 1.0)]
    """
    polygon = [_moved(move, vertex) for vertex in vertices]
    if move.is_whole:
        return polygon
    for axis, sign, edge in ((0, 1, 0.0), (0, -1, 1.0), (1, 1, 0.0), (1, -1, 1.0)):
        polygon = _cut(polygon, lambda point: sign * (point[axis] - edge))  # noqa: B023 - called at once
    return [point for number, point in enumerate(polygon) if point != polygon[number - 1] or len(polygon) == 1]


def move_subject(move: Move, values: Sequence[int]) -> tuple[int, ...] | None:
    """EXIF's `SubjectArea` or `SubjectLocation` of the new picture; None where it is outside.

    Args:
        move: The map.
        values: Pixels: `(x, y)` of a point; with a diameter, of a circle; with width and height, of a rectangle, whose
            centre it is.

    Example:
        >>> move_subject(Move.oriented((40, 30), 6), (10, 10, 8, 4))
        (20, 10, 4, 8)
    """
    if not 2 <= len(values) <= 4:
        return tuple(values)
    width, height = move.before
    x, y = values[0] / width, values[1] / height
    if len(values) == 4:
        across, down = values[2] / width / 2, values[3] / height / 2
        box = move_rectangle(move, (x - across, y - down, x + across, y + down))
        if box is None:
            return None
        left, right, top, bottom = box[0], box[2], box[1], box[3]
        pixels = (left + right) / 2, (top + bottom) / 2, right - left, bottom - top
        return tuple(round(one * side) for one, side in zip(pixels, move.after * 2, strict=True))
    if len(values) == 3:
        circle = move_circle(move, (x, y), values[2] / width / 2)
        if circle is None or min(circle[0]) < 0.0:  # which these numbers cannot be
            return None
        (x, y), _ = circle
        return round(x * move.after[0]), round(y * move.after[1]), values[2]
    point = move_point(move, (x, y))
    return None if point is None else (round(point[0] * move.after[0]), round(point[1] * move.after[1]))


def tilted_crop(size: Size, crop: Size, angle: float) -> tuple[Point, Point]:
    """Two opposite corners of a tilted rectangle around the centre of a picture.

    Args:
        size: `(width, height)` of the picture, pixels.
        crop: The same of the rectangle.
        angle: Degrees that it is turned by, clockwise as seen.

    Returns:
        What was its upper left corner, and what was its lower right one, before it was turned.

    Example:
        >>> tilted_crop((40, 20), (20, 10), 0.0)
        ((0.25, 0.25), (0.75, 0.75))
    """
    sin, cos = sin_cos(angle)
    x, y = crop[0] / 2, crop[1] / 2
    across, down = (cos * x - sin * y) / size[0], (sin * x + cos * y) / size[1]
    return (0.5 - across, 0.5 - down), (0.5 + across, 0.5 + down)


def _moved(move: Move, point: Point) -> Point:
    x, y = move((point[0] * move.before[0], point[1] * move.before[1]))
    return x / move.after[0], y / move.after[1]


def _cut(polygon: Sequence[Point], inside: Callable[[Point], float]) -> list[Point]:
    """What of a polygon lies where a linear function is not negative (Sutherland and Hodgman)."""
    kept: list[Point] = []
    for number, point in enumerate(polygon):
        before = polygon[number - 1]
        here, there = inside(point), inside(before)
        if (here < 0.0) != (there < 0.0):
            share = there / (there - here)
            kept.append((before[0] + share * (point[0] - before[0]), before[1] + share * (point[1] - before[1])))
        if here >= 0.0:
            kept.append(point)
    return kept
