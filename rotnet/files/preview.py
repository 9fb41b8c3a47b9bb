"""A page on which a person looks through what is going to happen, and decides otherwise where it is wrong."""

from __future__ import annotations

import base64
import html
import io
import json
import os
import tempfile
from collections import Counter
from collections.abc import Generator, Iterable
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rotnet.files.decide import FILE_ACTIONS, FileCorrection
from rotnet.files.options import Turning
from rotnet.files.report import row_of
from rotnet.images import reading
from rotnet.images.prefetch import JOBS, ahead
from rotnet.images.raw import picture_in
from rotnet.images.writing import atomic_file, make_folder

THUMBNAIL = 168  # pixels of the longer side
_CARDS, _SUMMARY, _SHARED, _SCRIPT = (f"<!-- {name} -->" for name in ("cards", "summary", "shared", "script"))


def write_preview(
    decisions: Iterable[FileCorrection], path: str | Path, how: Turning, *, run: str | None = None, jobs: int = JOBS
) -> Generator[FileCorrection, None, None]:
    """Write a page of pictures before and after, the least sure first, while decisions go by.

    The page is one file that asks for nothing else; the pictures themselves are shown large where they still lie where
    they lay. A person turns each picture by the proposed or another angle, leaves it as it is or leaves it out, and
    saves a report for `rotnet apply`. It takes about 8 kB a picture; they are not held in memory.

    Args:
        decisions: From `decide_files`, with digests.
        path: The page; written when the decisions end.
        how: How pictures are to be turned.
        run: Which run the plan is of, as for `row_of`.
        jobs: Threads that make thumbnails.

    Yields:
        The decisions.

    Raises:
        OutputError: The page cannot be written.
    """

    def draw(decision: FileCorrection) -> tuple[FileCorrection, bytes]:
        try:
            return decision, _card(decision, how, run, folder).encode("utf-8", "backslashreplace")
        except Exception as error:
            failed = decision.failed(error)
            return failed, _card(failed, how, run, folder).encode("utf-8", "backslashreplace")

    found: list[tuple[float, int, int]] = []  # confidence, and where the card lies
    counts: Counter[str] = Counter()
    folder = Path(os.path.abspath(path)).parent
    make_folder(folder)
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
    """The page without cards: markup, and the scripts in it."""
    package = files("rotnet")
    page, script, *shared = (
        package.joinpath(*parts).read_text(encoding="utf-8")
        for parts in (("files", "preview.html"), ("files", "preview.js"), ("web", "frame.js"), ("web", "turned.js"))
    )
    summary = json.dumps({action: counts[action] for action in (*FILE_ACTIONS, "failed")})
    page = page.replace(_SHARED, "".join(shared).replace("export function", "function"))
    return page.replace(_SCRIPT, script).replace(_SUMMARY, summary)


def _card(decision: FileCorrection, how: Turning, run: str | None, folder: Path) -> str:
    """A picture on the page; its script adds the picture as it would be, and the controls."""
    name, path = (html.escape(str(text)) for text in (decision.path.name, decision.path))
    if decision.action == "failed" or decision.confidence is None:  # it may have failed since it was decided
        return f'<p class="failed">{html.escape(decision.error or "")}</p>\n'
    row = html.escape(json.dumps(row_of(decision, how, run=run)))
    source = picture_in(decision.path)
    pixels = reading.read_image(source, short_side=THUMBNAIL, max_pixels=how.max_pixels, strict=how.strict)
    with reading.opened(source, str(decision.path), how.max_pixels) as picture:
        width, height = picture.size  # as stored; which is which makes no difference to what a crop loses
    lines = "" if decision.lines is None else f' data-lines="{json.dumps(decision.lines)}"'
    kind = decision.action.replace(" ", "-")
    told = html.escape(decision.reason or decision.action)
    return (
        f'<article class="{kind}" title="{path}" data-file="{_link(decision.path, folder)}" data-row="{row}" '
        f'data-size="{width} {height}"{lines}>'
        f"{_thumbnail(pixels)}<h2>{name}</h2>"
        f"<p><span>{told}</span><em>{decision.confidence:.0%}</em></p></article>\n"
    )


def _link(picture: Path, folder: Path) -> str:
    """Where a picture lies as seen from the folder of the page, so that both may move together."""
    where = os.path.abspath(picture)
    try:
        where = "./" + os.path.relpath(where, folder).replace(os.sep, "/")
    except ValueError:  # another drive
        return Path(where).as_uri()
    return quote(os.fsencode(where))


def _thumbnail(pixels: NDArray[np.uint8]) -> str:
    image = Image.fromarray(pixels)
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=75)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img src="data:image/jpeg;base64,{data}" alt="as it is" loading="lazy" decoding="async">'
