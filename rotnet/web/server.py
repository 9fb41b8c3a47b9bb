"""The server: it decodes, asks the model and turns in memory, and keeps nothing.

A picture is the body of a request, whatever its content type. Errors come as `{"error": sentence}`.

`POST /predict`
    `{"angle", "action", "reason", "confidence", "turn", "width", "height", "lines", "probabilities"}`: the answer of
    the model (degrees counter-clockwise, verdict and why, its probability, 360 probabilities), the size as shown in
    pixels, the edges that told the level (x and y of both ends, in shares of width and height; null where none did),
    and in `turn` the angle that `/correct` goes by: a whole quarter turn where it is almost one, 0 where the picture is
    better left as it is.

`POST /correct`
    The upright picture in its own format, with its metadata; byte for byte what came if it is not to be turned.
    Parameters: `angle`, degrees that the picture is turned by, instead of the model's; `crop`, `fit` (the default),
    `aspect`, `keep` or `same`; `fill`, of what corners are filled with: `mirror`, `blur`, a colour such as `white`, or
    pixel values such as 255 or 255,0,0 (0 by default). The header `Rotnet-Angle` tells the angle.

`POST /preview`
    A JPEG of at most 1600 pixels, upright as its EXIF orientation says, for pictures that no browser shows.
"""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import anyio
from PIL import Image
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from rotnet.errors import ImageError, RotNetError, UsageError
from rotnet.geometry.filling import read_fill
from rotnet.images import reading
from rotnet.images.orientation import shown_orientation
from rotnet.images.turn_file import check_options, turn_bytes
from rotnet.inference.predictor import as_predictor
from rotnet.web.guard import LOOPBACK, Guard

T = TypeVar("T")
FOLDER = Path(__file__).parent
MEDIA = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
PAGE = {f"/{path.name}": (path.name, MEDIA[path.suffix]) for path in FOLDER.iterdir() if path.suffix in MEDIA}
PAGE["/"] = ("page.html", "text/html")
PREVIEW = 1600  # pixels of the longer side
AT_ONCE = 2  # files in memory, from their first byte to their answer


@dataclass(frozen=True)
class Limits:
    """What is taken in.

    Attributes:
        bytes: Of a file.
        pixels: Of a picture.
        seconds: That a file may take to arrive.
    """

    bytes: int = 64_000_000
    pixels: int = 100_000_000
    seconds: float = 60.0


class TooLarge(RotNetError):
    """A file is larger than the server takes in."""


class TooSlow(RotNetError):
    """A file takes longer to arrive than the server waits."""


STATUS = {TooLarge: 413, TooSlow: 408, ImageError: 422, UsageError: 400}


def create_app(
    model: Any = "photo",
    *,
    limits: Limits | None = None,
    hosts: Collection[str] = LOOPBACK,
    strict: bool = True,
) -> Starlette:
    """The application that `rotnet serve` runs, for any ASGI server.

    Args:
        model: Name of a preset, path of an `.onnx` or `.keras` file, a `rotnet.Predictor` or a Keras model.
        limits: Of what is taken in; None for the defaults.
        hosts: Names, without a port, that the server goes by; requests under others are refused. Empty for any.
        strict: Refuse damaged pictures. False answers for what is left of them, and makes quarter turns of them.

    Returns:
        A Starlette application.

    Raises:
        WeightsError: The model cannot be loaded.
    """
    service = Service(model, limits or Limits(), strict=strict)
    routes: list[BaseRoute] = [Route(path, _static(*file)) for path, file in PAGE.items()]
    for answer in (service.predict, service.correct, service.preview):
        routes.append(Route(f"/{answer.__name__}", answer, methods=["POST"]))
    return Starlette(
        routes=routes,
        middleware=[Middleware(Guard, hosts=hosts)],
        exception_handlers={RotNetError: _explain, ClientDisconnect: _hang_up},
    )


class Service:
    """What the server answers."""

    def __init__(self, model: Any, limits: Limits, *, strict: bool = True) -> None:
        self._predictor = as_predictor(model)
        self._limits = limits
        self._strict = strict
        self._slots: anyio.CapacityLimiter | None = None

    async def predict(self, request: Request) -> Response:
        """How far the picture is turned."""
        async with self._body(request) as data:
            return JSONResponse(await _work(lambda: self._prediction(data)))

    async def correct(self, request: Request) -> Response:
        """The picture upright."""
        if unknown := set(request.query_params) - {"angle", "crop", "fill"}:
            raise UsageError(f"/correct takes angle, crop and fill. Received: {', '.join(sorted(unknown))}.")
        crop: Any = request.query_params.get("crop", "fit")
        angle = _angle(request.query_params.get("angle"))
        fill = read_fill(request.query_params.get("fill", "0"))
        check_options(crop=crop, fill=fill, interpolation="cubic", quarter_turns="auto", tolerance=0.0)

        def turned(data: bytes) -> Response:
            used = self._prediction(data)["turn"] if angle is None else angle
            upright, _ = turn_bytes(
                data,
                used,
                crop=crop,
                fill=fill,
                tolerance=0.0,
                max_pixels=self._limits.pixels,
                strict=self._strict,
                name="this file",
            )
            return Response(upright, media_type=_media_type(data), headers={"Rotnet-Angle": f"{used:g}"})

        async with self._body(request) as data:
            return await _work(lambda: turned(data))

    async def preview(self, request: Request) -> Response:
        """The picture as a JPEG that fits a screen."""

        def drawn(data: bytes) -> Response:
            pixels = reading.read_image(
                reading.named(data, "this file"),
                short_side=PREVIEW,
                max_pixels=self._limits.pixels,
                strict=self._strict,
            )
            picture = Image.fromarray(pixels)
            picture.thumbnail((PREVIEW, PREVIEW))
            file = io.BytesIO()
            picture.save(file, "JPEG", quality=88)
            return Response(file.getvalue(), media_type="image/jpeg")

        async with self._body(request) as data:
            return await _work(lambda: drawn(data))

    def _prediction(self, data: bytes) -> dict[str, Any]:
        view = self._predictor.view(
            reading.named(data, "this file"), max_pixels=self._limits.pixels, strict=self._strict
        )
        # only of what can be read, for reading EXIF may read the picture
        with reading.opened(reading.named(data, "this file"), "this file", self._limits.pixels) as opened:
            width, height = opened.size
            on_its_side = shown_orientation(opened) in (5, 6, 7, 8)
        answer = next(self._predictor.predict_views([view]))
        decision = self._predictor.decide(answer)
        return {
            "angle": round(answer.angle, 1) % 360.0,
            "action": decision.action,
            "reason": decision.reason,
            "confidence": round(decision.confidence, 4),
            "turn": decision.turn,
            "width": height if on_its_side else width,
            "height": width if on_its_side else height,
            "lines": None if answer.level is None else answer.level.drawn(),
            "probabilities": [round(float(share), 6) for share in answer.probabilities],
        }

    @asynccontextmanager
    async def _body(self, request: Request) -> AsyncIterator[bytes]:
        """The picture sent. A few are in memory at once; the others wait unread, in the hands of who sends them."""
        if request.headers.get("content-type", "").startswith("multipart/"):
            raise UsageError("The picture itself must be the body, not a form: curl --data-binary @picture.jpg")
        if self._slots is None:
            self._slots = anyio.CapacityLimiter(AT_ONCE)
        async with self._slots:
            try:
                with anyio.fail_after(self._limits.seconds):
                    data = await self._read(request)
            except TimeoutError as error:
                raise TooSlow(f"This file took longer than {self._limits.seconds:g} seconds to arrive.") from error
            yield data

    async def _read(self, request: Request) -> bytes:
        """The body, read no further than the limit."""
        parts, received = [], 0
        announced = request.headers.get("content-length", "0")
        # a number of more digits than fit 64 bits is larger than any limit
        expected = (int(announced) if len(announced) < 20 else 2**64) if announced.isdecimal() else 0
        async for part in request.stream():
            parts.append(part)
            received += len(part)
            if max(received, expected) > self._limits.bytes:
                raise TooLarge(f"This file has more than {self._limits.bytes / 1e6:g} MB, the most that is taken in.")
        return b"".join(parts)


async def _work(use: Callable[[], T]) -> T:
    """Run in a thread, with what its file has of the server."""
    return await anyio.to_thread.run_sync(use)


def _static(name: str, media_type: str) -> Callable[[Request], Response]:
    content = (FOLDER / name).read_bytes()
    return lambda request: Response(content, media_type=media_type)


def _explain(request: Request, error: Exception) -> Response:
    status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 500)
    # who sends too slowly would go on with it
    headers = {"Connection": "close"} if isinstance(error, TooSlow) else None
    return JSONResponse({"error": str(error)}, status_code=status, headers=headers)


def _hang_up(request: Request, error: Exception) -> Response:
    """The answer to who has gone away while sending, which nobody hears."""
    return Response(status_code=400)


def _angle(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        angle = float(text)
    except ValueError:
        angle = float("nan")
    if not -360.0 <= angle <= 360.0:
        raise UsageError(f"angle must be degrees from -360 to 360. Received: {text!r}.")
    return angle


def _media_type(data: bytes) -> str:
    with reading.opened(data, "this file", None) as opened:
        return Image.MIME.get(reading.format_of(opened), "application/octet-stream")
