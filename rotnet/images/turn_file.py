"""Turn one picture file upright and change nothing else about it.

    >>> from pathlib import Path
    >>> data = Path("examples/photos/coffee.jpg").read_bytes()
    >>> turned, how = turn_bytes(data, 90.0)
    >>> how, len(turned) - len(data) < 100  # an orientation tag is all that is new
    ('exif', True)

A quarter turn costs nothing: it is told by the EXIF orientation, or made by moving pixels. Any other angle takes one
resampling of the picture at its full resolution, saved as the original was; see `rotnet.images.original`.

What is kept byte for byte: EXIF with GPS, dates and the maker's notes, XMP, IPTC, ICC profile, comments, resolution,
blocks that no one here knows, and what lies behind the end of a JPEG, such as the video of a moving photo. What is put
right: orientation, the sizes that EXIF and XMP tell, the faces and other places that they name, and the thumbnail. The
further pictures of a multi-picture JPEG (previews, gain maps) are turned by the same angle. Lost are the auxiliary
pictures of HEIC and AVIF (depths, gain maps), and where pixels are resampled the palette: in-between colours need true
colour.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from rotnet.errors import ImageError, RotNetError, UsageError
from rotnet.geometry.angles import QUARTER_WITHIN, quarter_turn
from rotnet.geometry.cropping import CropName
from rotnet.geometry.filling import Fill
from rotnet.geometry.warping import Interpolation
from rotnet.images import reading
from rotnet.images.formats import containers, jpeg
from rotnet.images.formats.exif import Facts
from rotnet.images.orientation import TURNS, shown_orientation, turned_orientation
from rotnet.images.original import TAGGED, Original, encode_like, open_original
from rotnet.images.reading import MAX_PIXELS
from rotnet.images.turning import check_options as check_turn
from rotnet.images.turning import turn_back

__all__ = ["QUARTER_TURNS", "check_options", "turn_bytes"]

_log = logging.getLogger(__name__)

QuarterTurns: TypeAlias = Literal["auto", "exif", "pixels", "off"]
QUARTER_TURNS: tuple[QuarterTurns, ...] = get_args(QuarterTurns)
# formats that cannot be turned otherwise without loss, or whose viewers heed the orientation tag
_END = b"\xff\xd9"
_AUTO_TAGGED = ("JPEG", "TIFF", "WEBP")


def turn_bytes(
    data: bytes,
    angle: float,
    *,
    crop: CropName = "fit",
    fill: Fill = 0,
    interpolation: Interpolation = "lanczos",
    quarter_turns: QuarterTurns = "auto",
    tolerance: float = QUARTER_WITHIN,
    max_pixels: int | None = MAX_PIXELS,
    strict: bool = True,
    name: str = "the picture",
) -> tuple[bytes, str]:
    """Turn an encoded picture upright: bytes of a file in, bytes of a file of the same format out.

    Args:
        data: JPEG, PNG, TIFF, WebP, BMP, AVIF, HEIC where `rotnet[heif]` is installed, or what else `rotnet.read_image`
            reads.
        angle: Degrees, counter-clockwise as seen, that the picture as shown has been turned by.
        crop: `"fit"` cuts to the largest rectangle without empty corners, `"aspect"` to the largest of the picture's
            proportions; `"keep"` keeps every pixel, and `"same"` the size, and they fill the corners. Of a quarter
            turn everything is kept, whatever is asked for. The older names `"inscribed"` and `"expand"` stand for
            `"fit"` and `"keep"`.
        fill: Pixel value, from 0 to 255, of what lies outside the picture: one number for every channel, or one a
            channel; pictures of 16 bits get the same shade. `"mirror"` for the picture's mirror image, `"blur"` for
            that fading into a blur.
        interpolation: `"nearest"`, `"bilinear"`, `"cubic"` or `"lanczos"`, which blurs least.
        quarter_turns: What to do about angles that are a quarter turn, or several, within the tolerance: `"exif"` turns
            by the orientation tag alone, the pixels are the same bytes; `"pixels"` moves pixels, exactly, and a JPEG or
            lossy WebP is encoded again; `"auto"` takes the tag in JPEG, TIFF and lossy WebP (where browsers do not heed
            it) and the pixels elsewhere, where that loses nothing either; `"off"` treats them like any other angle.
        tolerance: Degrees; of pictures that nearly stand upright, 2 at the most.
        max_pixels: Refuse a larger picture before decoding it; None for no limit.
        strict: Refuse a damaged JPEG. False makes quarter turns of it by its orientation tag, which keeps all that may
            still be saved of it; other turns would save the damage in its place, and are refused.
        name: What an error calls the picture.

    Returns:
        The new file and how it was made: `"copy"` (it stood upright within the tolerance; the same bytes), `"exif"`,
        `"pixels"` or `"resampled"`.

    Raises:
        ImageError: It is not a picture, damaged, incomplete, too large, an animation, of several pages, or of a kind
            that could not be saved as it was.
        UsageError: An option is not as described.
    """
    check_options(crop=crop, fill=fill, interpolation=interpolation, quarter_turns=quarter_turns, tolerance=tolerance)
    if not math.isfinite(angle):
        raise UsageError(f"angle must be finite degrees. Received: angle={angle}.")
    quarter = None if quarter_turns == "off" else quarter_turn(angle, tolerance)
    if quarter == 0.0:
        return data, "copy"
    try:
        original, is_whole = _opened(data, name, max_pixels, strict=strict)
        if quarter is not None and quarter_turns != "pixels":
            missing = b"" if is_whole or _has_end(data) else _END
            closed = replace(original, data=data + missing)
            by_tag = _turned_by_tag(closed, -round(quarter / 90.0), required=quarter_turns == "exif")
            if by_tag is not None:
                return by_tag[: len(by_tag) - len(missing)], "exif"
        if not is_whole:
            raise ImageError(
                f"{name} is damaged: it is turned by quarter turns of its orientation tag only, for to save its pixels "
                "anew would lose what may still be restored; leave it out, or restore it from a backup"
            )
        exact = angle if quarter is None else quarter
        kept = crop if exact % 90.0 else "keep"
        turned = _turned_pixels(
            original,
            exact,
            max_pixels,
            lambda one: _turn(one, exact, crop=kept, fill=fill, interpolation=interpolation),
        )
        return turned, "resampled" if quarter is None else "pixels"
    except ImageError as error:
        if name in str(error):
            raise
        raise ImageError(f"{name}: {error}") from error
    except UsageError as error:  # an option that does not fit this picture
        raise UsageError(f"{name}: {error}") from error
    except RotNetError:
        raise
    except MemoryError as error:
        raise ImageError(f"{name} is too large for the memory at hand; shrink it or lower max_pixels") from error
    except Exception as error:  # whatever a codec raises on a damaged or unusual file
        raise ImageError(f"{name} cannot be turned: {error or type(error).__name__}") from error


def check_options(*, crop: str, fill: Fill, interpolation: str, quarter_turns: str, tolerance: float) -> None:
    """Check the options of `turn_bytes` before any file is read.

    Raises:
        UsageError: One is not as described there.
    """
    check_turn(crop, fill, interpolation)
    if not isinstance(fill, str) and (np.size(fill) > 4 or np.min(fill) < 0 or np.max(fill) > 255):
        raise UsageError(f"fill must be from 0 to 255, one number or up to four. Received: fill={fill!r}.")
    if quarter_turns not in QUARTER_TURNS:
        raise UsageError(f"quarter_turns must be one of {QUARTER_TURNS}. Received: {quarter_turns!r}.")
    if not 0.0 <= tolerance <= 45.0:
        raise UsageError(f"tolerance must be in [0, 45] degrees. Received: {tolerance!r}.")


def _opened(data: bytes, name: str, max_pixels: int | None, *, strict: bool) -> tuple[Original, bool]:
    """The picture, and whether all of it is there."""
    try:
        return open_original(data, name, max_pixels), True
    except ImageError:
        if strict:
            raise
    return open_original(data, name, max_pixels, strict=False), False


def _has_end(data: bytes) -> bool:
    """Whether a damaged JPEG ends where it should; otherwise its copying may have been cut short."""
    try:
        jpeg.split_blocks(data)
    except ValueError:
        return False
    return True


def _turned_by_tag(original: Original, quarters: int, *, required: bool) -> bytes | None:
    """The file with another orientation, or None where that is not the way for it."""
    format = original.format
    if required and format not in TAGGED:
        raise ImageError(f"{original.name} is {format}, which has no orientation tag; let its pixels be turned")
    if not required and (format not in _AUTO_TAGGED or original.options.get("lossless")):
        return None
    try:
        parts = jpeg.split_jpegs(original.data) if format == "JPEG" else [original.data]
        turned, expected = [], 1
        for number, part in enumerate(parts):
            # a further picture that says nothing is shown as the first one says
            stored = containers.orientation(part, format, default=0) if number else original.orientation
            orientation = turned_orientation(stored, quarters) if stored else 0
            turned.append(containers.retag(part, format, Facts(orientation)) if stored else part)
            expected = expected if number else orientation
        result = jpeg.join_jpegs(turned, parts) if format == "JPEG" else turned[0]
        _verify(original, result, expected)
    except ValueError as error:
        if required:
            raise ImageError(f"{original.name} cannot be turned by a tag: {error}; let its pixels be turned") from error
        _log.info("%s cannot be turned by a tag, and its pixels are turned: %s", original.name, error)
        return None
    return result


def _turned_pixels(original: Original, angle: float, max_pixels: int | None, turn: Callable[[Original], Any]) -> bytes:
    """The file with other pixels, all of its pictures turned alike."""
    if original.format != "JPEG":
        result = encode_like(original, turn(original), angle=angle)
    else:
        parts = jpeg.split_jpegs(original.data)
        shown = containers.orientation(parts[0], "JPEG")
        turned = [encode_like(replace(original, data=parts[0]), turn(original), angle=angle)]
        for part in parts[1:]:
            further = open_original(jpeg.without_index(part), original.name, max_pixels)
            if shown in TURNS and containers.orientation(part, "JPEG", default=0) == 0:
                further = replace(further, picture=further.picture.transpose(TURNS[shown]), orientation=shown)
            turned.append(encode_like(replace(further, data=part), turn(further), angle=angle))
        result = jpeg.join_jpegs(turned, parts)
    _verify(original, result, 1)
    return result


def _turn(original: Original, angle: float, *, crop: CropName, fill: Fill, interpolation: Interpolation) -> Any:
    """The pixels of one picture turned back by an angle."""
    picture = original.picture
    is_deep = original.deep is not None or picture.mode.startswith("I;16")
    if is_deep and not isinstance(fill, str):
        fill = tuple(257.0 * value for value in fill) if isinstance(fill, (tuple, list)) else 257.0 * fill
    options: dict[str, Any] = {"crop": crop, "fill": fill, "interpolation": interpolation}
    if original.deep is not None:
        return _turn_deep(original.deep, angle, options)
    if angle % 90.0 != 0.0:
        if picture.mode == "F" and not np.isfinite(np.asarray(picture)).all():
            raise ImageError(f"{original.name} holds NaN or infinity, which turning would spread; fill them first")
    return turn_back(picture, angle, **options)


def _turn_deep(pixels: NDArray[np.uint16], angle: float, options: dict[str, Any]) -> NDArray[np.uint16]:
    if pixels.shape[2] == 3 or angle % 90.0 == 0.0:
        return turn_back(pixels, angle, **options)
    # between two pixels lies the mean of their colours weighted by alpha
    share = pixels[:, :, 3:] / np.float32(65535)
    mixed = np.concatenate([pixels[:, :, :3] * share, pixels[:, :, 3:]], axis=2, dtype=np.float32)
    turned = turn_back(mixed, angle, **options)
    share = np.maximum(turned[:, :, 3:], 1) / np.float32(65535)
    turned[:, :, :3] /= share
    return np.rint(np.clip(turned, 0, 65535)).astype(np.uint16)


def _verify(original: Original, result: bytes, orientation: int) -> None:
    """Refuse a result that would not be shown as it should; what is wrong then is its metadata."""
    if _shown(result, original.name) != orientation:
        raise ValueError("its EXIF is damaged")


def _shown(data: bytes, name: str) -> int:
    """The orientation by which Pillow, and so the model, shows a file."""
    with reading.opened(data, name, None) as opened, reading.decoding(name):
        return shown_orientation(opened)
