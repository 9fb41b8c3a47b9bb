"""The level of a picture from its straight lines, once it is roughly known which way is up.

A network finds up to about a degree. Walls, doors and poles tell more, and it is read here.

Two facts of perspective are used, with the principal point in the middle of the picture and x, y from there, y upwards.
Lines that are vertical in the world meet in one point; if the camera has rolled by r, the image of a vertical at (x, y)
points to (-sin r - k x, cos r - k y), whatever the pitch and the focal length, which only make up k. So verticals tell
the roll exactly even where they fan out. Lines that are level in the world meet on the horizon, which is at right
angles to the vertical through the middle: a facade or a shelf seen from the front lies at tilt r, and one that recedes
adds an unknown q; two such directions are allowed. Edges that fit neither are outliers.

R. Hartley and A. Zisserman, "Multiple View Geometry" (2004), chapter 8, for the geometry; P. H. S. Torr and
A. Zisserman, "MLESAC" (2000), for hypotheses from pairs, scored by a likelihood that knows outliers. Hypotheses are
the pairs of the longest edges, all of them, so there is no chance in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from rotnet.geometry.segments import gradients, segments_along

Floats = NDArray[np.float64]

LONG_SIDE = 560  # Pixels the picture is reduced to, for 25 ms. Edges get sharper as a picture gets smaller.
MOST_SEGMENTS = 160  # The longest of each kind.
PAIRED = 24  # The longest verticals, of which all pairs are hypotheses.
APART = 0.7  # Degrees between two guesses that are worth a fit each.
FAN = 35.0  # Degrees from upright beyond which an edge is not looked at.
MIDDLING_F = 1.2  # Focal length in half diagonals, for the place of the horizon only: 26 mm, a telephone.
STEEPEST = 0.8  # The largest k: 40 degrees of pitch at 24 mm.

# Angular error of an edge: one part for the world (nothing is quite vertical), one for its ends, in radians and pixels.
EDGE_ERROR, END_ERROR = math.radians(0.35), math.radians(25.0)
OUTLIERS_VERTICAL, OUTLIERS_LEVEL = 0.5, 0.6
CLUTTER_VERTICAL, CLUTTER_LEVEL = math.radians(40.0), math.radians(50.0)  # Outliers are even over so much.
# What is to be expected before an edge is seen: roll (about `up`, heavy tails), k, height of the horizon, q.
USUAL_ROLL, USUAL_K, USUAL_HEIGHT, USUAL_Q = math.radians(1.5), 0.25, 0.15, 0.7

DRAWN = 40  # Edges at the most, for the eye.
LEAST_SUPPORT = 0.15  # Half diagonals of believed edges: a pole of a tenth of the picture is no evidence.

# Logistic fits of "within half a degree" and "within one", on Street View, nature and people turned by known angles, by
# weights/tools/calibrate_lines.py.
HALF = (-1.734, -0.848, 0.092, 0.034, 1.854, -0.123, -1.417, -0.499, -0.946, -0.150)
ONE = (-1.001, -0.838, 0.077, 0.099, 2.652, -0.069, -2.175, -0.828, -0.630, -0.163)


@dataclass(frozen=True)
class LevelEstimate:
    """What the lines of a picture say about its level.

    Attributes:
        roll: Degrees counter-clockwise in (-180, 180] that the picture has turned beyond `up`; correct by turning by
            `-(up + roll)`.
        standard_error: Degrees, as if the edges were independent. It does not know that all of them may belong to one
            leaning thing; trust `probability_one` instead.
        support: Length of the believed edges, verticals and level ones together, in diagonals of the picture.
        probability_half, probability_one: Calibrated probability that `roll` is within 0.5 and within 1 degree of the
            truth, provided that `up` was within `within`.
        pitch_term: k, how much the verticals fan out: half diagonals to their vanishing point are 1 / k. Positive: they
            meet above, the camera looked up.
        segments: float64 (n, 4), the believed edges as x0, y0, x1, y1 in pixels of the picture that was given.
        size: `(height, width)` of that picture.
    """

    roll: float
    standard_error: float
    support: float
    probability_half: float
    probability_one: float
    pitch_term: float
    segments: Floats
    size: tuple[int, int]

    def drawn(self) -> list[list[float]]:
        """The longest of the believed edges, for the eye: x and y of both ends, in shares of width and height."""
        x0, y0, x1, y1 = self.segments.T
        longest = np.argsort(-np.hypot(x1 - x0, y1 - y0), kind="stable")[:DRAWN]
        return np.round(self.segments[longest] / (self.size[::-1] * 2), 4).tolist()


@dataclass(frozen=True)
class _Edges:
    """Edges of one kind: middle and unit direction (n, 2) in half diagonals, length and angular error (n,)."""

    middle: Floats
    direction: Floats
    length: Floats
    error: Floats
    pixels: Floats


@dataclass(frozen=True)
class _Fit:
    """Roll, k, height of the horizon, q of both level directions, in radians and half diagonals."""

    values: Floats
    score: float
    error: float
    vertical: Floats  # Probability of each edge to be a vertical.
    level: Floats


def level_from_lines(image: NDArray[np.uint8], *, up: float = 0.0, within: float = 12.0) -> LevelEstimate | None:
    """The roll of a picture to a fraction of a degree, or None where no lines tell it.

    No pixel is turned: edges are found in the picture as it lies and only their ends are turned upright.

    Args:
        image: uint8 (H, W) or (H, W, 3) RGB.
        up: Degrees counter-clockwise that the picture has turned, roughly: the answer of the network. Any finite value.
        within: Degrees that `up` may be wrong by, above 0 and at most 20. Beyond it nothing is found, or a wrong thing.

    Returns:
        The estimate; None if fewer than two edges or hardly any length of them agree.

    Raises:
        ValueError: An argument is not as described.

    Example:
        >>> y, x = np.mgrid[:300, :400]
        >>> stripes = np.sin((x - y * math.tan(math.radians(2))) / 5)  # They lean to the left by two degrees.
        >>> round(level_from_lines(np.uint8(127 + 100 * stripes)).roll, 1)
        2.0
        >>> level_from_lines(np.zeros((300, 400), np.uint8)) is None
        True
    """
    _check(image, up, within)
    grey, scale = reduced(image)
    shape = grey.shape[:2]
    slopes = gradients(grey)
    vertical = _edges(segments_along(*slopes, up), shape, up, upright=True)
    level = _edges(segments_along(*slopes, up + 90.0), shape, up, upright=False)
    starts, rivals = _starts(vertical, level, math.radians(within))
    if not starts:
        return None
    fit = max(_fitted(starts, vertical, level), key=lambda fit: fit.score)
    lengths = float(vertical.length @ fit.vertical), float(level.length @ fit.level)
    if sum(lengths) < LEAST_SUPPORT or abs(fit.values[0]) > math.radians(within) * 1.25:
        return None
    features = _features(fit, starts[0][0], rivals, vertical, level, lengths)
    half, one = (1 / (1 + math.exp(-float(np.clip(np.dot(features, c), -30, 30)))) for c in (HALF, ONE))
    believed = np.concatenate([vertical.pixels[fit.vertical > 0.5], level.pixels[fit.level > 0.5]])
    return LevelEstimate(
        roll=math.degrees(fit.values[0]),
        standard_error=math.degrees(fit.error),
        support=sum(lengths) / 2,
        probability_half=min(half, one),
        probability_one=one,
        pitch_term=float(fit.values[1]),
        segments=(believed + 0.5) * np.tile(scale, 2) - 0.5,
        size=(image.shape[0], image.shape[1]),
    )


def _check(image: NDArray[np.uint8], up: float, within: float) -> None:
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)) or 0 in image.shape:
        raise ValueError(f"image must be uint8 (H, W) or (H, W, 3). Received: {image.dtype} {image.shape}.")
    if not math.isfinite(up):
        raise ValueError(f"up must be finite degrees. Received: up={up}.")
    if not 0.0 < within <= 20.0:
        raise ValueError(f"within must be above 0 and at most 20 degrees. Received: within={within}.")


def reduced(image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], Floats]:
    """A picture as the lines are looked for in it.

    Args:
        image: uint8 (H, W) or (H, W, 3) RGB.

    Returns:
        Grey uint8 (h, w), its long side at most `LONG_SIDE` pixels, and how many pixels of the picture one of its
        pixels spans, float64 (x, y).
    """
    height, width = image.shape[:2]
    factor = min(1.0, LONG_SIDE / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    # grey first: a third of the channels to scale
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = grey if factor == 1.0 else cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(small, np.uint8), np.array([width / size[0], height / size[1]])


def _edges(pixels: Floats, shape: tuple[int, ...], up: float, *, upright: bool) -> _Edges:
    """Segments turned upright, measured in half diagonals from the middle; the longest of those near their kind."""
    half_diagonal = math.hypot(*shape) / 2
    ends = (pixels.reshape(-1, 2, 2) - [(shape[1] - 1) / 2, (shape[0] - 1) / 2]) * [1, -1] / half_diagonal
    turn = math.radians(up)
    cos, sin = math.cos(turn), math.sin(turn)
    ends = ends @ np.array([[cos, -sin], [sin, cos]])
    run = ends[:, 1] - ends[:, 0]
    run *= np.where(run[:, 1 if upright else 0] < 0, -1.0, 1.0)[:, None]
    length = np.hypot(run[:, 0], run[:, 1])
    main, aside = (run[:, 1], run[:, 0]) if upright else (run[:, 0], run[:, 1])
    near = np.flatnonzero(np.abs(aside) < math.tan(math.radians(FAN)) * main)
    chosen = near[np.argsort(-length[near], kind="stable")][:MOST_SEGMENTS]
    length = length[chosen]
    error = np.hypot(EDGE_ERROR, END_ERROR / (length * half_diagonal))
    return _Edges(ends[chosen].mean(axis=1), run[chosen] / length[:, None], length, error, pixels[chosen])


def _starts(vertical: _Edges, level: _Edges, within: float) -> tuple[list[tuple[float, float]], float]:
    """Up to three guesses of roll and k, two from pairs of verticals, one from level edges; the score of the second
    as a share of the first.
    """
    starts: list[tuple[float, float]] = []
    rivals = 1.0
    hypotheses = _hypotheses(vertical, within)
    if len(hypotheses):
        cos, sin, k = hypotheses.T[:, :, None]
        x, y = vertical.middle.T
        along_x, along_y = -sin - k * x, cos - k * y
        turn = (along_x * vertical.direction[:, 1] - along_y * vertical.direction[:, 0]) / np.hypot(along_x, along_y)
        roll = np.arctan2(sin[:, 0], cos[:, 0])
        score = _votes(turn, vertical) - _surprise(roll) - 0.5 * (k[:, 0] / USUAL_K) ** 2
        best = int(score.argmax())
        starts.append((float(roll[best]), float(k[best, 0])))
        others = np.where(np.abs(roll - roll[best]) > math.radians(APART), score, 0.0)
        rival = int(others.argmax())
        rivals = float(max(others[rival], 0.0) / max(score[best], 1e-6))
        if rivals > 0.5:
            starts.append((float(roll[rival]), float(k[rival, 0])))
    tilt = np.arctan2(level.direction[:, 1], level.direction[:, 0])
    candidates = tilt[:60][np.abs(tilt[:60]) <= within]
    if len(candidates):
        score = _votes(tilt - candidates[:, None], level) - _surprise(candidates)
        starts.append((float(candidates[int(score.argmax())]), 0.0))
    return starts, min(rivals, 1.0)


def _hypotheses(vertical: _Edges, within: float) -> Floats:
    """Rows of cos roll, sin roll, k: where pairs of the longest verticals meet, and each of them with k = 0."""
    x, y = vertical.middle.T
    dx, dy = vertical.direction.T
    # An edge that points to the vanishing point: its row times (cos, sin, k) is 0, so a pair gives their cross product.
    rows = np.stack([-dx, -dy, y * dx - x * dy], axis=1)
    first, second = np.triu_indices(min(PAIRED, len(rows)), 1)
    parallel = np.stack([dy, -dx, np.zeros_like(dx)], axis=1)[:60]
    found = np.concatenate([np.cross(rows[first], rows[second]), parallel])
    found = found * np.where(found[:, :1] < 0, -1.0, 1.0)
    size = np.hypot(found[:, 0], found[:, 1])
    found = found[size > 1e-9] / size[size > 1e-9, None]
    good: Floats = found[(np.abs(np.arctan2(found[:, 1], found[:, 0])) <= within) & (np.abs(found[:, 2]) <= STEEPEST)]
    return good


def _votes(turn: Floats, edges: _Edges) -> Floats:
    """Score of hypotheses (h,) from their errors (h, n): a long edge counts up to four times a short one."""
    weight = np.minimum(np.hypot(*(edges.pixels[:, 2:] - edges.pixels[:, :2]).T) / 30, 4.0)
    votes: Floats = np.maximum(0.0, 1 - (turn / edges.error) ** 2 / 6) @ weight
    return votes


def _surprise(roll: Floats) -> Floats:
    """Minus the logarithm of what a network is known to be wrong by: small errors, and a heavy tail."""
    surprise: Floats = 0.5 * np.log1p((roll / USUAL_ROLL) ** 2)
    return surprise


def _fitted(starts: list[tuple[float, float]], vertical: _Edges, level: _Edges) -> list[_Fit]:
    """Expectation maximisation: how likely is each edge one of the lines, then Gauss-Newton with that as weight.

    All starts go side by side, for such small arrays cost more in calls than in arithmetic.
    """
    values = np.array([_first_values(roll, k, level) for roll, k in starts])
    verticals = len(vertical.length)
    sigma = np.concatenate([vertical.error, level.error, level.error])
    share = np.full(len(sigma), (1 - OUTLIERS_LEVEL) / 2)
    share[:verticals] = 1 - OUTLIERS_VERTICAL
    density = share / (sigma * math.sqrt(2 * math.pi))
    for last in (False,) * 7 + (True,):
        error, slope = _errors(values, vertical, level)
        likely = density * np.exp(-0.5 * (error / sigma) ** 2)
        likely_v, likely_h = likely[:, :verticals], likely[:, verticals:].reshape(len(values), 2, -1)
        all_v = likely_v + OUTLIERS_VERTICAL / CLUTTER_VERTICAL
        all_h = likely_h.sum(axis=1) + OUTLIERS_LEVEL / CLUTTER_LEVEL
        weighted = slope * (likely / np.concatenate([all_v, all_h, all_h], axis=1) / sigma**2)[:, None]
        prior = np.tile([0.0, USUAL_K**-2, USUAL_HEIGHT**-2, USUAL_Q**-2, USUAL_Q**-2], (len(values), 1))
        prior[:, 0] = 0.5 / (USUAL_ROLL**2 + values[:, 0] ** 2)
        square = weighted @ slope.transpose(0, 2, 1) + prior[:, None] * np.eye(5)
        if last:
            break
        off = values.copy()
        off[:, 2] -= np.clip(-(MIDDLING_F**2) * values[:, 1], -1, 1)
        pull = (weighted @ error[..., None])[..., 0] + prior * off
        values = values - np.clip(np.linalg.solve(square, pull[..., None])[..., 0], -0.3, 0.3)
    score = np.log(all_v).sum(axis=1) + np.log(all_h).sum(axis=1) - _surprise(values[:, 0])
    roll_error = np.sqrt(np.linalg.inv(square)[:, 0, 0])
    parts = zip(values, score, roll_error, likely_v / all_v, likely_h.sum(axis=1) / all_h, strict=True)
    return [_Fit(value, float(score), float(error), upright, flat) for value, score, error, upright, flat in parts]


def _first_values(roll: float, k: float, level: _Edges) -> list[float]:
    height = float(np.clip(-(MIDDLING_F**2) * k, -1, 1))
    return [roll, k, height, *_level_directions(roll, height, level)]


def _errors(values: Floats, vertical: _Edges, level: _Edges) -> tuple[Floats, Floats]:
    """Angles between edges and their vanishing points, and their slopes by the values.

    Args:
        values: (s, 5), as in `_Fit`.

    Returns:
        (s, n) and (s, 5, n): n are the verticals, the level edges for one of their directions and for the other.
    """
    roll, k, height, *receding = values.T[:, :, None]
    cos, sin = np.cos(roll), np.sin(roll)
    verticals, levels = len(vertical.length), len(level.length)
    error = np.empty((len(values), verticals + 2 * levels))
    slope = np.zeros((len(values), 5, error.shape[1]))
    part = slice(0, verticals)
    x, y = vertical.middle.T
    to_x, to_y = -sin - k * x, cos - k * y
    error[:, part], square = _angles(to_x, to_y, vertical)
    slope[:, 0, part] = (to_x * sin - to_y * cos) / square
    slope[:, 1, part] = (to_x * y - to_y * x) / square
    x, y = level.middle[:, 0] + height * sin, level.middle[:, 1] - height * cos
    for number, q in enumerate(receding):
        part = slice(part.stop, part.stop + levels)
        to_x, to_y = cos - q * x, sin - q * y
        error[:, part], square = _angles(to_x, to_y, level)
        slope[:, 0, part] = -(to_x * (cos - q * height * sin) + to_y * (sin + q * height * cos)) / square
        slope[:, 2, part] = -q * (to_x * cos + to_y * sin) / square
        slope[:, 3 + number, part] = (to_x * y - to_y * x) / square
    return error, slope


def _angles(to_x: Floats, to_y: Floats, edges: _Edges) -> tuple[Floats, Floats]:
    """Angles (s, n) of edges against the directions (s, n) that they should have, and the squares of those' lengths."""
    square = np.maximum(to_x**2 + to_y**2, 1e-6)
    return (to_x * edges.direction[:, 1] - to_y * edges.direction[:, 0]) / np.sqrt(square), square


def _level_directions(roll: float, height: float, level: _Edges) -> tuple[float, float]:
    """q of the direction that most level edges share, and of the one that most of the others share."""
    spread = np.tan(np.linspace(-1.05, 1.05, 43))
    if not len(level.length):
        return 0.0, 0.1
    cos, sin = math.cos(roll), math.sin(roll)
    x, y = level.middle[:, 0] + height * sin, level.middle[:, 1] - height * cos
    to_x, to_y = cos - spread[:, None] * x, sin - spread[:, None] * y
    error = (to_x * level.direction[:, 1] - to_y * level.direction[:, 0]) / np.hypot(to_x, to_y + 1e-9)
    vote = np.maximum(0.0, 1 - (error / np.maximum(level.error, math.radians(1.0))) ** 2 / 6)
    usual = 0.2 * spread**2
    first = int((vote.sum(axis=1) - usual).argmax())
    second = int(((vote * (1 - vote[first])).sum(axis=1) - usual).argmax())
    return float(spread[first]), float(spread[second])


def _features(
    fit: _Fit, first: float, rivals: float, vertical: _Edges, level: _Edges, lengths: tuple[float, float]
) -> Floats:
    """What the calibration looks at. Everything in degrees, half diagonals or shares."""
    weight = vertical.length * fit.vertical
    total = max(float(weight.sum()), 1e-6)
    x = vertical.middle[:, 0]
    spread = math.sqrt(max(float(weight @ x**2) / total - (float(weight @ x) / total) ** 2, 0.0))
    roll, k = math.degrees(fit.values[0]), float(fit.values[1])
    return np.array(
        [
            1.0,
            math.log(math.degrees(fit.error)),
            math.log(lengths[0] + 0.05),
            math.log(lengths[1] + 0.05),
            lengths[0] / max(float(vertical.length.sum()), 0.05),
            spread,
            abs(k),
            math.log1p(abs(roll)),
            rivals,
            min(abs(roll - math.degrees(first)), 3.0),
        ]
    )
