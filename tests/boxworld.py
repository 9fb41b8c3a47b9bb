"""A world of boxes with known camera: arrays only, a picture of 640 x 480 takes about 10 ms.

World: x right, y forward, z up, metres; the camera stands at (0, 0, 1.6). The picture has undergone `roll` degrees
counter-clockwise, as everywhere in rotnet.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray


def camera(pitch: float, roll: float) -> NDArray[np.float64]:
    """Rows: right, down and forward of the camera in the world. `pitch` up and `roll` counter-clockwise, in degrees."""
    p, r = math.radians(pitch), math.radians(roll)
    forward = np.array([0.0, math.cos(p), math.sin(p)])
    right, down = np.array([1.0, 0.0, 0.0]), np.array([0.0, math.sin(p), -math.cos(p)])
    # The picture turns counter-clockwise, so what was right points up.
    return np.stack([math.cos(r) * right + math.sin(r) * down, math.cos(r) * down - math.sin(r) * right, forward])


def render(
    *,
    pitch: float = 0.0,
    roll: float = 0.0,
    focal: float = 28.0,
    size: tuple[int, int] = (480, 640),
    seed: int = 0,
    noise: float = 3.0,
    yaw: float | None = None,
    texture: bool = True,
) -> NDArray[np.uint8]:
    """Houses with windows along a street. `focal` is the 35 mm equivalent (diagonal 43.3 mm). RGB uint8 (H, W, 3)."""
    rng = np.random.default_rng(seed)
    height, width = size
    f = focal / 43.27 * math.hypot(height, width)
    rows = camera(pitch, roll)
    turn = math.radians(rng.uniform(-40, 40) if yaw is None else yaw)
    spin = np.array([[math.cos(turn), -math.sin(turn), 0], [math.sin(turn), math.cos(turn), 0], [0, 0, 1]])
    scale = 2  # Drawn twice as large and reduced: edges without stairs.
    picture = np.full((height * scale, width * scale, 3), (205, 215, 230), np.uint8)

    def face(corners: list[list[float]], colour: Sequence[float]) -> None:
        points = (np.array(corners) @ spin.T - [0.0, 0.0, 1.6]) @ rows.T
        points = _seen(points, max(size) / f)
        if len(points) < 3:
            return
        flat = points[:, :2] / points[:, 2:] * f + [(width - 1) / 2, (height - 1) / 2]
        flat = (flat + 0.5) * scale - 0.5
        cv2.fillPoly(picture, [np.round(flat * 16).astype(np.int32)], colour, cv2.LINE_AA, 4)

    face([[-300, -300, 0], [300, -300, 0], [300, 300, 0], [-300, 300, 0]], (110, 112, 115))
    houses: list[tuple[float, float, float, float]] = []
    for side in (-1, 1):
        for n in range(5):
            houses.append((side * rng.uniform(5, 7), 3 + n * 9, rng.uniform(6, 8), rng.uniform(6, 16)))
    houses.append((-6.0, 50.0, 12.0, 14.0))
    houses.append((-1.5, rng.uniform(9, 14), 3.0, rng.uniform(4, 8)))
    for x, y, length, top in sorted(houses, key=lambda h: -h[1]):
        wall = rng.integers(90, 190, 3)
        far_x = x + (3.0 if abs(x) < 2 else 12.0 if x == -6.0 else math.copysign(8, x))
        front = [[x, y, 0], [far_x, y, 0], [far_x, y, top], [x, y, top]]
        flank_x = x if x > 0 or abs(x) > 2 else far_x
        flank = [[flank_x, y, 0], [flank_x, y + length, 0], [flank_x, y + length, top], [flank_x, y, top]]
        for quad, shade in ((flank, 0.75), (front, 1.0)):
            face(quad, [int(v * shade) for v in wall])
            _windows(face, quad, [int(v) for v in rng.integers(20, 70, 3)], texture)
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA).astype(np.float64)
    small += rng.normal(0, noise, small.shape) if noise else 0.0
    result: NDArray[np.uint8] = np.clip(np.round(small), 0, 255).astype(np.uint8)
    return result


Face = Callable[[list[list[float]], Sequence[float]], None]


def _windows(face: Face, quad: list[list[float]], colour: list[int], texture: bool) -> None:
    a, b, _, d = (np.array(p, float) for p in quad)
    if not texture:
        return
    columns, floors = max(1, int(np.linalg.norm(b - a) / 2)), max(1, int(d[2] / 3))
    for i in range(columns):
        for j in range(floors):
            u, v = (np.array([i + 0.25, i + 0.75]) / columns, np.array([j + 0.3, j + 0.8]) / floors)
            around = ((u[0], v[0]), (u[1], v[0]), (u[1], v[1]), (u[0], v[1]))
            corners = [a + (b - a) * s + (d - a) * t for s, t in around]
            face([c.tolist() for c in corners], colour)


def _seen(points: NDArray[np.float64], wide: float) -> NDArray[np.float64]:
    """The polygon cut off at the camera and a little outside the picture: OpenCV draws far corners wrongly."""
    for plane in np.array([[0, 0, 1, -0.05], [1, 0, wide, 0], [-1, 0, wide, 0], [0, 1, wide, 0], [0, -1, wide, 0]]):
        if not len(points):
            break
        depth = points @ plane[:3] + plane[3]
        kept = []
        for a, b, da, db in zip(points, np.roll(points, -1, axis=0), depth, np.roll(depth, -1), strict=True):
            if da >= 0:
                kept.append(a)
            if (da >= 0) != (db >= 0):
                kept.append(a + (b - a) * da / (da - db))
        points = np.array(kept).reshape(-1, 3)
    return points


def foliage(size: tuple[int, int] = (384, 400), seed: int = 0) -> NDArray[np.uint8]:
    """Leaves and twigs: ellipses and short strokes of every direction."""
    rng = np.random.default_rng(seed)
    picture = np.full((*size, 3), (60, 80, 40), np.uint8)
    for _ in range(2500):
        x, y = int(rng.integers(0, size[1])), int(rng.integers(0, size[0]))
        axes = int(rng.integers(3, 12)), int(rng.integers(1, 5))
        colour = [int(v) for v in rng.integers(20, 200, 3)]
        cv2.ellipse(picture, (x, y), axes, float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)
    return picture
