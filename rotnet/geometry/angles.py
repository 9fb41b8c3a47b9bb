"""Arithmetic on the circle, and the step between an angle and 360 class probabilities.

An `angle` is in degrees, counter-clockwise as seen, the rotation that an upright picture has undergone. Class `k` of
360 stands for `k` degrees.
"""

from __future__ import annotations

import functools
import math
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

DECODERS = ("mode", "local_mean", "median")
# a model errs by as much, cameras held sideways are common, and a quarter turn costs nothing
QUARTER_WITHIN = 3.0  # degrees
# a smaller turn is below what a hand can hold, and costs sharpness
UPRIGHT_WITHIN = 2.0  # degrees
SOFT_REACH = 14.5  # standard deviations: exp(-14.5**2 / 2) is below the least positive float32
PEAK_SIGMA = 3.0  # degrees, by which a row of probabilities is smoothed before its peak is looked for
LOCAL_WINDOW = 10.0  # degrees to either side of the peak that its local mean takes in


def wrap_angle(angle: ArrayLike) -> NDArray[np.float64] | float:
    """Bring angles into `[0, 360)`.

    Args:
        angle: Degrees, any shape, any finite value.

    Returns:
        Degrees in `[0, 360)`, float64, same shape; a float for a scalar.

    Example:
        >>> wrap_angle(-90)
        270.0
    """
    wrapped = np.mod(np.asarray(angle, dtype=np.float64), 360.0)
    # a tiny negative number is rounded up to 360 itself by the modulo
    return _unpack(np.where(wrapped == 360.0, 0.0, wrapped))


def signed_difference(x: ArrayLike, y: ArrayLike) -> NDArray[np.float64] | float:
    """Shortest way round from `y` to `x`, degrees in `[-180, 180)`, positive counter-clockwise.

    Example:
        >>> signed_difference(10, 350)
        20.0
    """
    difference = np.asarray(x, dtype=np.float64) - np.asarray(y, dtype=np.float64)
    return _unpack(np.asarray(wrap_angle(difference + 180.0)) - 180.0)


def quarter_turn(angle: float, tolerance: float = QUARTER_WITHIN) -> float | None:
    """What an angle is taken for, so that turning by it costs nothing.

    Args:
        angle: Degrees.
        tolerance: Degrees; 2 at the most for 0, which most pictures are near to.

    Returns:
        0, 90, 180 or 270, or None where the angle is not near a quarter turn.

    Example:
        >>> quarter_turn(-88.0), quarter_turn(359.0), quarter_turn(2.5)
        (270.0, 0.0, None)
    """
    quarter = 90.0 * round(angle / 90.0)
    within = tolerance if quarter % 360.0 else min(tolerance, UPRIGHT_WITHIN)
    return quarter % 360.0 if abs(angle - quarter) <= within else None


def shown_angle(angle: float) -> str:
    """An angle as people read it: degrees in (-180, 180], one decimal, counter-clockwise positive.

    Args:
        angle: Degrees, any finite value.

    Example:
        >>> shown_angle(340.9), shown_angle(359.97), shown_angle(180.0)
        ('-19.1°', '0.0°', '180.0°')
    """
    signed = round(-(float(signed_difference(-angle, 0.0))), 1)
    return f"{180.0 if signed == -180.0 else signed + 0.0:.1f}°"


def angle_difference(x: ArrayLike, y: ArrayLike) -> NDArray[np.float64] | float:
    """Smallest distance between two angles around the circle.

    Args:
        x, y: Degrees, any finite values, shapes that broadcast.

    Returns:
        Degrees in `[0, 180]`, float64; a float for scalars.

    Example:
        >>> angle_difference(0, 400)
        40.0
        >>> angle_difference(359, 1)
        2.0
    """
    return _unpack(np.abs(signed_difference(x, y)))


def circular_mean(angles: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Direction of the mean of unit vectors at `angles` (Mardia and Jupp, Directional Statistics, 2000).

    Args:
        angles: Degrees, any shape.
        weights: None, or non-negative weights of the same shape.

    Returns:
        Degrees in `[0, 360)`.

    Raises:
        ValueError: No angles, one that is not finite, a negative weight, or they cancel out so that no direction is
            the mean.

    Example:
        >>> round(circular_mean([350, 20]), 6)
        5.0
    """
    radians = np.deg2rad(np.asarray(angles, dtype=np.float64))
    if radians.size == 0:
        raise ValueError("angles must hold at least one angle. Received: an empty array.")
    shares = np.ones_like(radians) if weights is None else np.asarray(weights, dtype=np.float64)
    if (shares < 0).any():
        raise ValueError(f"weights must not be negative. Received: weights={weights!r}.")
    total = np.sum(shares * np.exp(1j * radians))
    if not abs(total) > 1e-12 * shares.sum():  # NaN compares as false
        raise ValueError(
            "angles must be finite and have a mean direction, not cancel out. "
            f"Received: angles={angles!r}, weights={weights!r}."
        )
    return float(wrap_angle(np.rad2deg(np.angle(total))))


def encode_angles(angles: ArrayLike, *, sigma: float | None = None, bins: int = 360) -> NDArray[np.float32]:
    """Convert angles to class probabilities: one-hot, or a Gaussian bent around the circle.

    Args:
        angles: Degrees, shape `(N,)` or a scalar, any finite values.
        sigma: None for one-hot labels of the nearest class; otherwise the standard deviation in degrees of a circular
            Gaussian centred on the exact angle, fractions of a degree included (Woehrer, 2026).
        bins: Number of classes around the circle.

    Returns:
        `(N, bins)` float32, each row summing to 1; `(bins,)` for a scalar.

    Raises:
        ValueError: An angle is not finite, or `sigma` or `bins` is not positive.

    Example:
        >>> encode_angles(359.6).argmax()
        np.int64(0)
    """
    angles = np.asarray(angles, dtype=np.float64)
    if not np.isfinite(angles).all():
        raise ValueError("angles must be finite degrees. Received: NaN or infinity among them.")
    if bins < 1 or (sigma is not None and not sigma > 0):
        raise ValueError(f"bins and sigma must be positive. Received: bins={bins}, sigma={sigma}.")
    width = 360.0 / bins
    nearest = np.floor(angles.ravel() / width + 0.5)
    if sigma is None:
        steps, density = np.zeros(1, np.int64), np.ones((1, 1))
    else:
        rest = (angles.ravel() - nearest * width)[:, np.newaxis]
        # further from the angle than this, a float32 holds nothing but 0
        reach = math.ceil(min(sigma * SOFT_REACH / width, bins)) + 1
        steps = np.arange(min(2 * reach + 1, bins))
        steps -= len(steps) // 2
        offset = np.abs(steps * width - rest)
        offset = np.minimum(offset, 360.0 - offset)
        # relative to the nearest class, so that a very small sigma does not underflow to a row of zeros
        density = np.exp(-0.5 * (offset**2 - rest**2) / sigma**2)
        density /= density.sum(axis=1, keepdims=True)
    classes = (nearest.astype(np.int64)[:, np.newaxis] + steps) % bins
    labels = np.zeros(len(nearest) * bins, np.float32)
    places = classes + np.arange(0, len(labels), bins)[:, np.newaxis]  # np.put_along_axis is dearer than all the rest
    labels[places] = density.astype(np.float32)
    return labels.reshape(*angles.shape, bins)


def decode_angles(
    probabilities: ArrayLike, *, method: str = "local_mean", window: float = LOCAL_WINDOW
) -> NDArray[np.float64] | float:
    """Convert class probabilities to angles, finer than a class where the method allows.

    Args:
        probabilities: `(N, bins)` or `(bins,)`, non-negative, bins evenly spaced from 0 degrees.
        method: `"mode"`, the most probable class; `"local_mean"`, the mean weighted by probability within `window` of
            the peak, which answers in fractions of a degree; `"median"`, the angle with the least expected distance to
            the truth, best where the mean error counts.
        window: Half width of the neighbourhood for `"local_mean"`, degrees.

    Returns:
        `(N,)` degrees in `[0, 360)`, float64; a float for one row.

    Raises:
        ValueError: The method is unknown, or the probabilities are not a finite array of one or two dimensions.

    Example:
        >>> round(decode_angles(encode_angles(12.25, sigma=2.0), method="local_mean"), 3)
        12.25
    """
    rows = np.asarray(probabilities, dtype=np.float64)
    if rows.ndim not in (1, 2) or rows.shape[-1] == 0 or not np.isfinite(rows).all():
        raise ValueError(
            f"probabilities must be a finite (N, bins) or (bins,) array. Received: an array of shape {rows.shape}."
        )
    if method not in DECODERS:
        raise ValueError(f"method must be one of {DECODERS}. Received: method={method!r}.")
    single, rows = rows.ndim == 1, np.atleast_2d(rows)
    decode = {"mode": _decode_mode, "local_mean": _decode_local_mean, "median": _decode_median}[method]
    angles = np.asarray(wrap_angle(np.round(decode(rows, window), 6)))
    return _unpack(angles[0] if single else angles)


def class_angles(bins: int) -> NDArray[np.float64]:
    """What so many classes around the circle stand for, `(bins,)` degrees from 0 on.

    Example:
        >>> class_angles(4).tolist()
        [0.0, 90.0, 180.0, 270.0]
    """
    return np.arange(bins, dtype=np.float64) * (360.0 / bins)


def mass_near(probabilities: NDArray[np.floating], angle: float, within: float) -> float:
    """The sum of `(bins,)` probabilities of the classes within so many degrees of an angle.

    Example:
        >>> mass_near(np.array([0.5, 0.25, 0.125, 0.125]), 350.0, 80.0)
        0.625
    """
    return float(probabilities[np.asarray(angle_difference(class_angles(len(probabilities)), angle)) <= within].sum())


def roll_quarter_turns(probabilities: NDArray[np.floating], turns: int) -> NDArray[np.floating]:
    """Probabilities of a picture, given those of the same picture turned by `turns` further quarter turns.

    Args:
        probabilities: `(..., bins)` with bins divisible by 4.
        turns: Quarter turns counter-clockwise that were added.

    Example:
        >>> int(roll_quarter_turns(encode_angles(100.0), 1).argmax())
        10
    """
    return np.roll(probabilities, -turns * probabilities.shape[-1] // 4, axis=-1)


def _decode_mode(rows: NDArray[np.float64], window: float) -> NDArray[np.float64]:
    return rows.argmax(axis=1) * (360.0 / rows.shape[1])


def _decode_local_mean(rows: NDArray[np.float64], window: float) -> NDArray[np.float64]:
    bins = rows.shape[1]
    # the peak of the smoothed row: a lone spike beside a broad hill is noise more often than the answer
    centre = np.fft.irfft(np.fft.rfft(rows, axis=1) * _smoothing(bins), n=bins, axis=1).argmax(axis=1)
    half = min(int(window * bins / 360.0), (bins - 1) // 2)
    offsets = np.arange(-half, half + 1)
    near = np.take_along_axis(rows, (centre[:, None] + offsets) % bins, axis=1)
    mass = near.sum(axis=1)
    shift = (near * offsets).sum(axis=1) / np.where(mass > 0, mass, 1.0)
    return (centre + shift) * (360.0 / bins)


@functools.cache
def _smoothing(bins: int) -> NDArray[np.complex128]:
    return np.fft.rfft(encode_angles(0.0, sigma=PEAK_SIGMA, bins=bins))


def _decode_median(rows: NDArray[np.float64], window: float) -> NDArray[np.float64]:
    bins = rows.shape[1]
    distance = np.asarray(angle_difference(np.arange(bins)[:, None] * 360.0 / bins, np.arange(bins) * 360.0 / bins))
    expected = rows @ distance
    best = expected.argmin(axis=1)
    # a parabola through the least expected distance and its neighbours gives the fraction of a class
    left, middle, right = (np.take_along_axis(expected, (best[:, None] + k) % bins, 1)[:, 0] for k in (-1, 0, 1))
    curvature = left - 2 * middle + right
    shift = np.where(curvature > 1e-12, 0.5 * (left - right) / np.where(curvature > 1e-12, curvature, 1.0), 0.0)
    return (best + np.clip(shift, -0.5, 0.5)) * (360.0 / bins)


def _unpack(array: ArrayLike) -> NDArray[np.float64] | float:
    array = np.asarray(array, dtype=np.float64)
    return float(array) if array.ndim == 0 else array


@overload
def sin_cos(angles: float) -> tuple[float, float]: ...


@overload
def sin_cos(angles: list[float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...


def sin_cos(angles: ArrayLike) -> tuple[Any, Any]:
    """Sines and cosines of degrees, exact at quarter turns, so that sides stay sides.

    Example:
        >>> sin_cos(270.0)
        (-1.0, 0.0)
    """
    quarters, rest = np.divmod(np.asarray(angles, np.float64), 90.0)
    radians = np.deg2rad(rest)
    turned = (np.cos(radians) + 1j * np.sin(radians)) * np.array([1, 1j, -1, -1j])[quarters.astype(np.int64) % 4]
    return _unpack(turned.imag), _unpack(turned.real)
