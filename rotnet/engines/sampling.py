"""Millions of rows judged by looking at some hundred: which ones, and what their mistakes say about all.

The rows of one verdict are sorted by reason and confidence and cut into as many equal strata as pictures are looked at;
one row is drawn from each, independently of the others. So every row is as likely to be seen as any other, and sure and
unsure ones are there as often as among all. The number of mistakes in such a sample varies no more than that of a
simple one of the same size (Hoeffding 1956), so the bound of Clopper and Pearson holds for it as well.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotnet.engines.inputs import pictures_in, read_picture, source_of
from rotnet.engines.plans import options_in, task_of
from rotnet.engines.tables import key, manifest_of, parquet, read_rows
from rotnet.errors import ImageError, OutputError, UsageError, require
from rotnet.files import FileCorrection, Turning
from rotnet.files.preview import THUMBNAIL, write_preview
from rotnet.files.report import turning_of
from rotnet.images import reading
from rotnet.images.reading import StrPath

__all__ = ["draw", "rows_of", "upper_bound", "write_sheet"]


def upper_bound(wrong: int, of: int, confidence: float = 0.95) -> float:
    """The share of mistakes among all that a sample leaves possible, by Clopper and Pearson, one-sided.

    Args:
        wrong: Mistakes in the sample.
        of: Size of the sample.
        confidence: How often the bound holds, above 0.5 and below 1.

    Returns:
        The share, in [0, 1], at which so few mistakes or fewer have the probability `1 - confidence`.

    Raises:
        UsageError: There is no such sample.

    Example:
        >>> round(upper_bound(0, 400), 5), round(upper_bound(3, 400), 5)
        (0.00746, 0.01927)
    """
    if not (0 <= wrong <= of and of > 0 and 0.5 < confidence < 1):
        raise UsageError(f"From 0 to {of} of {of} pictures can be wrong, and there must be some. Received: {wrong}.")
    if wrong == of:
        return 1.0
    low, high = wrong / of, 1.0
    for _ in range(60):  # a half each time: to the last digit
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(wrong, of, middle) > 1 - confidence else (low, middle)
    return high


def rows_of(table: StrPath, action: str) -> NDArray[np.int64]:
    """Numbers of the rows of a verdict, by reason and then by confidence, the least sure first.

    Args:
        table: Of `rotnet predict -o`, of `rotnet correct --report DIR --shard`, or merged.
        action: As in `rotnet.inference.decision.Decision`.

    Raises:
        OutputError: The table cannot be read.
        UsageError: It is none of rotnet's.
    """
    manifest_of(Path(table))
    pc = require("pyarrow.compute", "engines", "a Parquet table")
    columns = ["action", "reason", "confidence"]
    try:
        # each word once in memory: a hundred million rows then take two gigabytes
        found = parquet().read_table(table, columns=columns, read_dictionary=["action", "reason"]).unify_dictionaries()
    except (OSError, ValueError) as error:
        raise OutputError(f"{table} cannot be read: {error}; merge it anew") from error
    rows = np.flatnonzero(pc.equal(found["action"].cast("string"), action).fill_null(False).to_numpy())
    asked = found.take(rows)
    return rows[np.lexsort((asked["confidence"].to_numpy(), _kinds(asked["reason"].combine_chunks())))]


def draw(rows: NDArray[np.int64], number: int, seed: int = 0) -> NDArray[np.int64]:
    """One row of each of so many strata, in their order; all rows if they are no more.

    Example:
        >>> draw(np.arange(6), 3).tolist(), draw(np.arange(2), 3).tolist()
        ([1, 3, 5], [0, 1])
    """
    if len(rows) <= number:
        return rows
    limits = np.arange(number + 1) * len(rows) // number
    return rows[np.random.default_rng(seed).integers(limits[:-1], limits[1:])]


def write_sheet(table: StrPath, numbers: NDArray[np.int64], sheet: StrPath) -> list[FileCorrection]:
    """Write a page with these rows of a table: their pictures before and after.

    Args:
        table: As for `rows_of`; its pictures must be where its paths say.
        numbers: Of the rows.
        sheet: The page, replaced if it exists.

    Returns:
        What was shown; pictures that cannot be read now are `"failed"` and say why.

    Raises:
        OutputError: The page cannot be written.
        UsageError: The table is of pictures that were turned in place: what was judged is not there any more.
    """
    how = _turning(manifest_of(Path(table)), table)
    wanted = set(numbers.tolist())
    rows = [row for number, row in enumerate(read_rows(Path(table))) if number in wanted]
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(write_preview(_fetched(rows, how, folder), Path(sheet), how)) as shown,
    ):
        return list(shown)


def _turning(manifest: Any, table: StrPath) -> Turning:
    """How pictures were read for a table, and turned if they were."""
    task = task_of(manifest)
    try:
        options = manifest["job"]["options"]
        if task == "predict":
            return Turning(max_pixels=options["max_pixels"], strict=options["strict"])
        if task == "correct" and options["output"] is None:
            raise UsageError("The pictures of this table were turned in place: sample a plan of --dry-run instead.")
        return turning_of(options_in(manifest, table), table)
    except (KeyError, TypeError) as error:
        raise UsageError(f"The options in the table are not those of rotnet: {error}; make it anew.") from error


def _at_most(wrong: int, of: int, share: float) -> float:
    """The probability of so many mistakes or fewer, where each of `of` pictures is one with the probability `share`."""
    if share >= 1:
        return 0.0
    logarithms = (
        math.lgamma(of + 1)
        - math.lgamma(k + 1)
        - math.lgamma(of - k + 1)
        + (k * math.log(share) if k else 0.0)
        + (of - k) * math.log1p(-share)
        for k in range(wrong + 1)
    )
    return math.fsum(map(math.exp, logarithms))


def _kinds(reasons: Any) -> NDArray[np.int64]:
    """A number for the kind of each reason: its words, whatever angles they name."""
    pc = require("pyarrow.compute", "engines", "a Parquet table")
    words = pc.replace_substring_regex(reasons.dictionary, r"-?[0-9.]+", "")
    _, kinds = np.unique(np.asarray(words.to_pylist(), dtype=str), return_inverse=True)
    found: NDArray[np.int64] = kinds[reasons.indices.to_numpy()]
    return found


def _fetched(rows: list[dict[str, Any]], how: Turning, folder: str) -> Iterator[FileCorrection]:
    """The rows as a page takes them; what lies in tar files or a cloud is copied into a folder."""
    for row in rows:
        name = os.fsdecode(key(row))
        try:
            path = _local(name, folder)
            reading.read_image(path, short_side=THUMBNAIL, max_pixels=how.max_pixels, strict=how.strict)
        except ImageError as error:
            yield FileCorrection(Path(name), None, "failed", error=str(error))
        else:
            yield FileCorrection(
                path, None, row["action"], row["angle"], row["confidence"], row["reason"], crop=row.get("crop")
            )


def _local(name: str, folder: str) -> Path:
    for found, picture in pictures_in(source_of(name), lambda one: one == name):
        data = read_picture(picture)
        if not isinstance(data, bytes):
            return Path(name)
        if os.fspath(found) == name:
            handle, place = tempfile.mkstemp(dir=folder, suffix=f"-{os.path.basename(name)}"[-100:])
            with open(handle, "wb") as file:
                file.write(data)
            return Path(place)
    raise ImageError(f"{name} is not there any more; make the table anew")
