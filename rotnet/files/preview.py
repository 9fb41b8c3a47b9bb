"""A page on which a person looks through what is going to happen, and leaves out what is wrong."""

from __future__ import annotations

import base64
import html
import io
import json
import tempfile
from collections import Counter
from collections.abc import Generator, Iterable
from contextlib import closing
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rotnet.files.correct import Turning
from rotnet.files.decide import FileCorrection
from rotnet.files.report import row_of
from rotnet.images import reading
from rotnet.images.prefetch import JOBS, ahead
from rotnet.images.turning import turn_back
from rotnet.images.writing import atomic_file, make_folder
from rotnet.inference.decision import ACTIONS

THUMBNAIL = 168  # pixels of the longer side
_CARDS, _SUMMARY = "<!-- cards -->", "<!-- summary -->"


def write_preview(
    decisions: Iterable[FileCorrection], path: str | Path, how: Turning, *, jobs: int = JOBS
) -> Generator[FileCorrection, None, None]:
    """Write a page of pictures before and after, the least sure first, while decisions go by.

    The page is one file that asks for nothing else. Each row can be left out; those kept are downloaded as a report for
    `rotnet apply`. It takes about 11 kB a picture; they are not held in memory.

    Args:
        decisions: From `decide_files`, with digests.
        path: The page; written when the decisions end.
        how: How pictures are to be turned.
        jobs: Threads that make thumbnails.

    Yields:
        The decisions.

    Raises:
        OutputError: The page cannot be written.
    """

    def draw(decision: FileCorrection) -> tuple[FileCorrection, bytes]:
        try:
            return decision, _card(decision, how).encode("utf-8", "backslashreplace")
        except Exception as error:
            failed = decision.failed(error)
            return failed, _card(failed, how).encode("utf-8", "backslashreplace")

    found: list[tuple[float, int, int]] = []  # confidence, and where the card lies
    counts: Counter[str] = Counter()
    make_folder(Path(path).parent)
    with (
        atomic_file(path) as page,
        tempfile.TemporaryFile() as cards,
        closing(ahead(draw, decisions, jobs=jobs)) as drawn,
    ):
        for decision, card in drawn:
            found.append((2.0 if decision.confidence is None else decision.confidence, cards.tell(), len(card)))
            counts[decision.action] += 1
            cards.write(card)
            yield decision
        before, after = _template(counts).split(_CARDS)
        page.write(before.encode())
        for _, start, length in sorted(found):
            cards.seek(start)
            page.write(cards.read(length))
        page.write(after.encode())


def _template(counts: Counter[str]) -> str:
    summary = json.dumps({action: counts[action] for action in (*ACTIONS, "failed")})
    return files("rotnet.files").joinpath("preview.html").read_text(encoding="utf-8").replace(_SUMMARY, summary)


def _card(decision: FileCorrection, how: Turning) -> str:
    name, path = (html.escape(str(text)) for text in (decision.path.name, decision.path))
    if decision.angle is None or decision.confidence is None:
        return f'<p class="card failed">{html.escape(decision.error or "")}</p>\n'
    row = html.escape(json.dumps(row_of(decision, how)))
    before = reading.read_image(decision.path, short_side=THUMBNAIL, max_pixels=how.max_pixels, strict=how.strict)
    kind = decision.action.replace(" ", "-")
    told, after = html.escape(decision.reason or decision.action), ""
    if decision.action == "turned":
        after = _thumbnail(turn_back(_shrunk(before), decision.angle, crop=how.crop, fill=how.fill))
    return (
        f'<label class="card {kind}" title="{path}"><input type="checkbox" checked data-row="{row}">'
        f"<span>{_thumbnail(before)}{after}</span><b>{name}</b>"
        f"<small>{told}<em>{decision.confidence:.0%}</em></small></label>\n"
    )


def _shrunk(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture of twice the size that is shown, which turns quickly."""
    image = Image.fromarray(picture)
    image.thumbnail((2 * THUMBNAIL, 2 * THUMBNAIL))
    return np.asarray(image)


def _thumbnail(picture: NDArray[np.uint8]) -> str:
    image = Image.fromarray(picture)
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=75)
    return f'<img src="data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}" alt="">'
