"""Many files, turned upright without losing one: decide what becomes of each, then do it."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from pathlib import Path

from rotnet.errors import OutputError, UsageError
from rotnet.files.decide import (
    FileCorrection,
    decide_files,
    planned,
    with_crop,
)
from rotnet.files.finish import finish, turn
from rotnet.files.journal import Journal
from rotnet.files.options import Turning
from rotnet.files.outcomes import recorded
from rotnet.files.plan import Targets, plan_in_place, plan_targets
from rotnet.files.replacing import is_fatal
from rotnet.files.turned_before import TurnedBefore
from rotnet.geometry.cropping import Beyond, CropName
from rotnet.geometry.filling import AnyFill, numbers_of
from rotnet.images import reading
from rotnet.images.prefetch import JOBS, ahead, check_jobs
from rotnet.images.reading import StrPath
from rotnet.images.turn_file import QuarterTurns
from rotnet.inference.allowed_angles import AngleRange
from rotnet.inference.options import Options, Refine, Turns
from rotnet.inference.predictor import DEFAULT, Model, Predictor, as_predictor

GO_ON = "go on with --resume"


def correct_files(
    paths: StrPath | Iterable[StrPath],
    output: StrPath | None = None,
    *,
    in_place: bool = False,
    backup: str | None = None,
    overwrite: bool = False,
    model: Model = "photo",
    min_confidence: float | None = None,
    turns: Turns | None = None,
    angle_range: AngleRange | None = None,
    right_angles: bool = False,
    level: bool | None = None,
    refine: Refine | None = "lines",
    crop: CropName = "fit",
    fill: AnyFill = 0,
    max_loss: float | None = None,
    beyond: Beyond = "keep",
    quarter_turns: QuarterTurns = "auto",
    max_pixels: int | None = reading.MAX_PIXELS,
    strict: bool = True,
    sidecar: bool = False,
    jobs: int = JOBS,
) -> Iterator[FileCorrection]:
    """Turn the pictures of a folder upright, as copies in another folder or in their place.

    What is not turned is copied byte for byte, and in place left alone. All targets are planned before the first is
    written; work goes on as results are taken, some pictures ahead of them. A call does not go on from an earlier one,
    as the command does: for a folder that holds results, give `overwrite=True` or another folder.

    What rotnet has turned before, as a small database of this user remembers, is left: none is turned twice. So is what
    a person has left in its place on the page of `--preview`.

    Args:
        paths: A file or folder, or several; folders are walked.
        output: Folder of the results, made when needed; None with `in_place`.
        in_place: Put each turned picture in the place of its original.
        backup: In place: keep originals under their name with this appended, as `".orig"`.
        overwrite: Replace files that are in `output` already.
        model: Name of a preset, path of an `.onnx` or `.keras` file, a `rotnet.Predictor` or a Keras model.
        min_confidence: Below it a picture is left; 0 turns whatever does not stand upright within 2 degrees. None
            takes the model's own threshold and, unless `angle_range` says that the pictures are tilted, also leaves
            those that may as well stand upright.
        turns: Views that are pooled for an answer: 4 for the picture and its quarter turns, or 1. None takes 1, 2 or
            4, until it is sure.
        angle_range: `(low, high)` degrees to choose the answer from, as `(-15, 15)`; None allows all angles.
        right_angles: Answer 0, 90, 180 or 270 degrees only.
        level: Slight tilts, which may be meant so, are corrected where lines tell the level (None), wherever the model
            is sure of them (True), or not (False).
        refine: `"lines"` refines a sure answer by the straight lines of the picture; None leaves what the network says.
        crop: `"fit"` cuts to the largest rectangle without empty corners, `"aspect"` to the largest of the picture's
            proportions; `"keep"` keeps every pixel, and `"same"` the size, and they fill the corners. The older names
            `"inscribed"` and `"expand"` stand for `"fit"` and `"keep"`.
        fill: Pixel value, from 0 to 255, of what lies outside the picture: one number for every channel, or one a
            channel, or the name of a colour, as `"white"`; `"mirror"` for the picture's mirror image, `"blur"` for that
            fading into a blur.
        max_loss: The largest share of a picture's area, from 0 to 1, that the crop may lose; None for any.
        beyond: What is done where it would lose more: `"keep"` keeps everything, `"leave"` leaves the picture as it is.
        quarter_turns: How pictures within 3 degrees of a quarter turn are turned: `"auto"` without loss, `"exif"` by
            their orientation tag, `"pixels"`, or `"off"` like any other.
        max_pixels: Refuse larger pictures; None for no limit.
        strict: Refuse damaged pictures. False leaves them as they are or makes quarter turns of them by their
            orientation tag, and refuses others.
        sidecar: Write XMP sidecars that tell the turns, and leave the pixels of all pictures as they are; raw
            photographs in folders are looked at as well. Other programs may not heed them: see `docs/metadata.md`.
        jobs: Threads that decode, and threads that turn: memory holds twice as many pictures, however many there are.

    Returns:
        One result a file, as they come; one that fails gives its error and the others go on.

    Raises:
        UsageError: An option is not as described, targets collide or are there already; before anything is read.
        OutputError: The folder of the results cannot be written to, or the disk is full.
        WeightsError: The model cannot be loaded.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     [result.action for result in correct_files("examples/photos/camera.jpg", folder)]
        ['turned']
    """
    if (output is None) != in_place:
        raise UsageError("correct_files needs either output, a folder of the results, or in_place=True.")
    if backup is not None and not in_place:
        raise UsageError("backup is for in_place=True: originals of results in a folder stay as they are anyway.")
    if overwrite and in_place:
        raise UsageError("overwrite is for results in a folder: in_place=True replaces nothing but what it turns.")
    if beyond != "keep" and max_loss is None:
        raise UsageError("beyond says what is done with pictures that would lose more than max_loss: give it as well.")
    check_jobs(jobs)
    how = Turning(crop, numbers_of(fill), quarter_turns, max_pixels, backup, strict, max_loss, beyond, sidecar)
    options = Options(
        turns=turns,
        angle_range=angle_range,
        right_angles=right_angles,
        min_confidence=min_confidence,
        level=level,
        refine=refine,
        quarter_turns=quarter_turns != "off",
    )
    predictor = as_predictor(model)
    predictor.check(options)
    named = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    if output is None:
        advice, go_on = "Move it, or give another backup.", "make room, and call it again for the others"
        targets = plan_in_place(named, backup=backup, raw=sidecar, advice=advice)
    else:
        advice, go_on = "Give overwrite=True, or another folder.", "make room, and begin anew with overwrite=True"
        targets = plan_targets(named, output, overwrite=overwrite, raw=sidecar, advice=advice)
    return correct_targets(targets, predictor, options, how, jobs=jobs, overwrite=overwrite, go_on=go_on)


def correct_targets(
    targets: Targets,
    predictor: Predictor,
    options: Options = DEFAULT,
    how: Turning | None = None,
    *,
    journal: Journal | None = None,
    jobs: int = JOBS,
    overwrite: bool = False,
    go_on: str = GO_ON,
) -> Generator[FileCorrection, None, None]:
    """Turn pictures upright; what is not turned is copied byte for byte, and in place left alone.

    Args:
        targets: Target by input, from `plan_targets` or `plan_in_place`; folders are made when needed.
        predictor: The model.
        options: What is asked of it.
        how: How pictures are turned; None for the defaults.
        journal: Where each step is recorded; what it has as finished comes first, and is not done again.
        jobs: Threads that decode, and threads that turn.
        overwrite: Whether copies may replace files. Without it, what appeared during the run is kept.
        go_on: What the error of a full disk tells people to do.

    Yields:
        One result a file; one that fails gives its error and the others go on.

    Raises:
        OutputError: The disk is full or takes no writing.
    """
    how = how or Turning()
    remaining = {}
    for source, target in targets.items():
        finished = recorded(source, target, journal)
        if finished is None:
            remaining[source] = target
        else:
            yield finished
    decisions = decide_files(remaining, predictor, options, how, jobs=jobs)
    with closing(decisions):
        yield from carry_out(decisions, how, journal=journal, jobs=jobs, overwrite=overwrite, go_on=go_on)


def carry_out(
    decisions: Iterable[FileCorrection],
    how: Turning,
    *,
    journal: Journal | None = None,
    jobs: int = JOBS,
    overwrite: bool = False,
    go_on: str = GO_ON,
) -> Generator[FileCorrection, None, None]:
    """Do what was decided.

    Args:
        decisions: From `decide_files`, or read from a report.
        how: How crooked pictures are turned.
        journal: Where each step is recorded; what it has as finished is not done again.
        jobs: Threads that turn.
        overwrite: Whether copies may replace files.
        go_on: What the error of a full disk tells people to do.

    Yields:
        What became of each, in order.

    Raises:
        OutputError: The disk is full or takes no writing.
    """

    before = TurnedBefore()

    def do(decision: FileCorrection) -> FileCorrection:
        target = decision.target
        if target is None:
            return decision
        if finished := recorded(decision.path, target, journal):
            return finished
        try:
            if decision.seen is None:  # of a plan, where a person may have turned it otherwise
                decision = with_crop(decision, how)
            return finish(decision, target, how, journal, before, overwrite=overwrite)
        except Exception as error:
            if is_fatal(error):
                raise OutputError(f"{error}; what was finished is whole, {go_on}") from error.__cause__
            return decision.failed(error)

    try:
        yield from ahead(do, decisions, jobs=jobs)
    finally:
        before.close()


def correct_bytes(
    data: bytes,
    predictor: Predictor,
    options: Options,
    how: Turning,
    *,
    name: str,
) -> tuple[bytes, FileCorrection]:
    """Turn one encoded picture upright.

    Args:
        data: A picture file.
        predictor, options: The model, and what is asked of it.
        how: How a crooked picture is turned.
        name: What errors call it.

    Returns:
        The upright file, `data` itself if it is left as it is, and what became of it.

    Raises:
        ImageError: It cannot be read or turned.
    """
    view = predictor.view(reading.named(data, name), max_pixels=how.max_pixels, strict=how.strict)
    answer = next(predictor.predict_views([view], options))
    decision = with_crop(planned(Path(name), Path(name), predictor.decide(answer, options)), how, data)
    return turn(data, decision, how) if decision.action == "turned" else (data, decision)
