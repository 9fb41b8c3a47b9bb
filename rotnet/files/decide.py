"""What is to become of each file, before anything is written."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Literal

from rotnet.errors import ImageError
from rotnet.files.options import Turning
from rotnet.files.plan import Targets
from rotnet.files.predict import answer_files, as_row, why_failed
from rotnet.files.turned_before import TurnedBefore
from rotnet.geometry.cropping import Crop, chosen_crop, named_crop
from rotnet.images import reading
from rotnet.images.finding import Stamp, stamp
from rotnet.images.original import check_savable
from rotnet.images.prefetch import JOBS, ahead
from rotnet.images.raw import is_raw, picture_in
from rotnet.inference.decision import ACTIONS, Action, Decision
from rotnet.inference.options import Options
from rotnet.inference.predictor import DEFAULT, Predictor

FILE_ACTIONS = (*ACTIONS, "left")  # of a file that did not fail


@dataclass(frozen=True)
class FileCorrection:
    """What becomes, or became, of one file to correct.

    Attributes:
        path: The input.
        target: Where its successor lies, the input itself in place; None if it failed.
        action: As in `rotnet.inference.decision.Decision`; `"left"`, as its crop would lose too much; or `"failed"`.
            All but `"turned"` and `"failed"` are byte-for-byte copies, and in place nothing at all.
        angle: Degrees that it is, or seems, turned by, to three decimals; None if it failed before.
        confidence: Probability of the verdict, to four decimals; None likewise, and where a person decided otherwise
            than the model.
        reason: Why, in words a person understands; None likewise.
        method: How it was turned: `"exif"` (by the orientation tag), `"pixels"` (by an exact quarter turn),
            `"resampled"`, or `"sidecar"` (by an XMP sidecar, the picture itself stays); None if it was not.
        crop: What is kept of it where it is resampled, or would be where it is `"left"`; else None.
        lost: The share of its area that this crop loses, to four decimals, 0 for a quarter turn; else None.
        error: Why it failed.
        decided: `"person"` where a person has decided, on the page of `--preview`; None where the model has.
        sha256: Of the bytes that were looked at, in a plan for later: what has changed since is refused.
        seen: `stamp` of the file before it was looked at; what has changed since is refused likewise.
        lines: The edges that told the level, as `LevelEstimate.drawn` gives them; for the eye.
    """

    path: Path
    target: Path | None
    action: Action | Literal["left", "failed"]
    angle: float | None = None
    confidence: float | None = None
    reason: str | None = None
    method: str | None = None
    crop: Crop | None = None
    lost: float | None = None
    error: str | None = None
    decided: Literal["person"] | None = None
    sha256: str | None = None
    seen: Stamp | None = field(default=None, compare=False, repr=False)
    lines: list[list[float]] | None = field(default=None, compare=False, repr=False)

    def as_dict(self) -> dict[str, Any]:
        """The fields that have a value and say something beyond this run, ready for JSON."""
        return as_row(replace(self, seen=None, lines=None))

    def failed(self, error: Exception) -> FileCorrection:
        """The same, had it failed."""
        error_text = why_failed(self.path, error)
        failed = FileCorrection(self.path, None, "failed", self.angle, self.confidence, error=error_text)
        return replace(failed, decided=self.decided, seen=self.seen)


def decide_files(
    targets: Targets,
    predictor: Predictor,
    options: Options = DEFAULT,
    how: Turning | None = None,
    *,
    jobs: int = JOBS,
) -> Generator[FileCorrection, None, None]:
    """Say what is to become of each picture; nothing is written.

    Args:
        targets: Target by input, from `plan_targets` or `plan_in_place`.
        predictor: The model.
        options: What is asked of it.
        how: How pictures are to be turned; None for the defaults.
        jobs: Threads that decode.

    Yields:
        One result a file; one that cannot be read gives its error and the others go on.
    """
    how = how or Turning()
    seen: dict[Path, Stamp | None] = {}

    def stamped() -> Iterator[Path]:
        for path in targets:
            seen[path] = stamp(path)
            yield path

    answers = answer_files(
        stamped(), predictor, max_pixels=how.max_pixels, strict=how.strict, jobs=jobs, options=options
    )
    with closing(answers):
        for path, answer in answers:
            if isinstance(answer, str):
                yield FileCorrection(path, None, "failed", error=answer)
            else:
                drawn = None if answer.level is None else answer.level.drawn()
                decided = planned(path, targets[path], predictor.decide(answer, options))
                decided = replace(decided, seen=seen.pop(path), lines=drawn)
                try:
                    yield with_crop(decided, how)
                except Exception as error:  # it may have gone meanwhile
                    yield decided.failed(error)


def with_crop(decision: FileCorrection, how: Turning, data: bytes | None = None) -> FileCorrection:
    """A decision with the crop that is taken and what it loses; `"left"` where that is too much.

    A crop that the decision has already is taken, but for a sidecar, which tells one alone. What a person wants turned
    is turned.

    Args:
        decision: About a file.
        how: How it is to be turned.
        data: The file, where its path is not that of one.

    Raises:
        ImageError: It cannot be opened, or is a raw photograph and no sidecar is to tell its turn.
    """
    if decision.action != "turned" or decision.angle is None:
        return decision
    if is_raw(decision.path) and not how.sidecar:
        raise ImageError(f"{decision.path} is a raw photograph: tell its turn with --sidecar, or develop it first")
    if decision.angle % 90.0 == 0.0:
        return replace(decision, crop=None, lost=0.0)
    source = picture_in(decision.path) if data is None else data
    with reading.opened(source, str(decision.path), how.max_pixels) as image:
        width, height = image.size  # as stored, which the loss is the same for
    asked = named_crop(how.crop if how.sidecar else decision.crop or how.crop)
    limit = None if decision.crop or (decision.decided and how.beyond == "leave") else how.max_loss
    crop, lost = chosen_crop(width, height, decision.angle, asked, limit, how.beyond)
    told = f"{asked} would lose {lost:.0%} of its area"
    if crop is None:
        reason = f"{decision.reason}, but left: {told}"
        return replace(decision, action="left", crop=asked, lost=round(lost, 4), reason=reason)
    if crop != asked:
        return replace(decision, crop=crop, lost=0.0, reason=f"{decision.reason}, kept whole: {told}")
    return replace(decision, crop=crop, lost=round(lost, 4))


def with_digests(
    decisions: Iterable[FileCorrection], how: Turning | None = None, *, jobs: int = JOBS
) -> Generator[FileCorrection, None, None]:
    """Decisions with the `sha256` of what was looked at, so that they can be carried out later.

    None of them turns what was turned before, was left by a person, or could not be saved again as it was.
    """
    how, before = how or Turning(), TurnedBefore()

    def sign(decision: FileCorrection) -> FileCorrection:
        if decision.target is None:
            return decision
        try:
            with reading.open_file(decision.path) as file:
                data = file.read()
            check_unchanged(decision)
            if decision.action == "turned" and (reason := before.why_not(data)):
                decision = not_turned(decision, reason)
            elif decision.action == "turned" and not how.sidecar:
                name = str(decision.path)
                with reading.opened(data, name, how.max_pixels) as image, reading.decoding(name):
                    check_savable(image, name, data)
        except Exception as error:  # whatever it is, the other pictures go on
            return decision.failed(error)
        return replace(decision, sha256=hashlib.sha256(data).hexdigest())

    try:
        yield from ahead(sign, decisions, jobs=jobs)
    finally:
        before.close()


def not_turned(decision: FileCorrection, reason: str) -> FileCorrection:
    """What becomes of a picture that the model would turn, where there is a reason not to."""
    confidence = None if decision.confidence is None else round(1.0 - decision.confidence, 4)  # that it is best left
    return replace(decision, action="unsure", confidence=confidence, reason=reason, crop=None, lost=None)


def planned(path: Path, target: Path, decision: Decision) -> FileCorrection:
    """What becomes of a file by the decision about its picture."""
    return FileCorrection(path, target, decision.action, decision.angle, round(decision.confidence, 4), decision.reason)


def check_planned(decision: FileCorrection, original: IO[bytes], *, max_pixels: int | None) -> None:
    """Refuse to copy by a plan what was not looked at for it, or is not a picture; rewinds the file."""
    if decision.sha256 is None:  # it was read a moment ago
        return
    data = original.read()
    if decision.sha256 != hashlib.sha256(data).hexdigest():
        raise changed(decision.path)
    if not is_raw(decision.path):
        with reading.opened(data, str(decision.path), max_pixels):
            pass
    original.seek(0)


def check_unchanged(decision: FileCorrection) -> None:
    """Refuse what another run or program has changed since it was looked at: the answer is about the old picture."""
    if decision.seen is not None and stamp(decision.path) != decision.seen:
        raise changed(decision.path)


def changed(source: Path) -> ImageError:
    """What is wrong with a file that another run or program has changed."""
    return ImageError(f"{source} has changed since it was looked at; look at it anew with rotnet correct")
