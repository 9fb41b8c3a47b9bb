"""What is to become of each file, before anything is written."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Literal

from rotnet.errors import ImageError
from rotnet.files.plan import Targets
from rotnet.files.predict import answer_files, as_row, why_failed
from rotnet.images import reading
from rotnet.images.finding import Stamp, stamp
from rotnet.images.prefetch import JOBS, ahead
from rotnet.images.raw import is_raw
from rotnet.inference.decision import Action, Decision
from rotnet.inference.options import Options
from rotnet.inference.predictor import DEFAULT, Predictor


@dataclass(frozen=True)
class FileCorrection:
    """What becomes, or became, of one file to correct.

    Attributes:
        path: The input.
        target: Where its successor lies, the input itself in place; None if it failed.
        action: As in `rotnet.inference.decision.Decision`, or `"failed"`. All but `"turned"` and `"failed"` are
            byte-for-byte copies, and in place nothing at all.
        angle: Degrees that it is, or seems, turned by, to three decimals; None if it failed before.
        confidence: Probability of the verdict, to four decimals; None likewise, and where a person decided otherwise
            than the model.
        reason: Why, in words a person understands; None likewise.
        method: How it was turned: `"exif"` (by the orientation tag), `"pixels"` (by an exact quarter turn),
            `"resampled"`, or `"sidecar"` (by an XMP sidecar, the picture itself stays); None if it was not.
        error: Why it failed.
        decided: `"person"` where a person has decided, on the page of `--preview`; None where the model has.
        sha256: Of the bytes that were looked at, in a plan for later: what has changed since is refused.
        seen: `stamp` of the file before it was looked at; what has changed since is refused likewise.
    """

    path: Path
    target: Path | None
    action: Action | Literal["failed"]
    angle: float | None = None
    confidence: float | None = None
    reason: str | None = None
    method: str | None = None
    error: str | None = None
    decided: Literal["person"] | None = None
    sha256: str | None = None
    seen: Stamp | None = field(default=None, compare=False, repr=False)

    def as_dict(self) -> dict[str, Any]:
        """The fields that have a value and say something beyond this run, ready for JSON."""
        return as_row(replace(self, seen=None))

    def failed(self, error: Exception) -> FileCorrection:
        """The same, had it failed."""
        error_text = why_failed(self.path, error)
        return replace(self, target=None, action="failed", reason=None, method=None, error=error_text, sha256=None)


def decide_files(
    targets: Targets,
    predictor: Predictor,
    options: Options = DEFAULT,
    *,
    max_pixels: int | None = reading.MAX_PIXELS,
    strict: bool = True,
    jobs: int = JOBS,
) -> Generator[FileCorrection, None, None]:
    """Say what is to become of each picture; nothing is written.

    Args:
        targets: Target by input, from `plan_targets` or `plan_in_place`.
        predictor: The model.
        options: What is asked of it.
        max_pixels: Refuse larger pictures; None for no limit.
        strict: Refuse damaged pictures too; False decides by what is left of them.
        jobs: Threads that decode.

    Yields:
        One result a file; one that cannot be read gives its error and the others go on.
    """
    seen: dict[Path, Stamp | None] = {}

    def stamped() -> Iterator[Path]:
        for path in targets:
            seen[path] = stamp(path)
            yield path

    answers = answer_files(stamped(), predictor, max_pixels=max_pixels, strict=strict, jobs=jobs, options=options)
    with closing(answers):
        for path, answer in answers:
            if isinstance(answer, str):
                yield FileCorrection(path, None, "failed", error=answer)
            else:
                decided = planned(path, targets[path], predictor.decide(answer, options))
                yield replace(decided, seen=seen.pop(path))


def with_digests(decisions: Iterable[FileCorrection], *, jobs: int = JOBS) -> Generator[FileCorrection, None, None]:
    """Decisions with the `sha256` of what was looked at, so that they, or others, can be carried out later."""

    def sign(decision: FileCorrection) -> FileCorrection:
        if decision.target is None:
            return decision
        try:
            with reading.open_file(decision.path) as file:
                return replace(decision, sha256=hashlib.sha256(file.read()).hexdigest())
        except Exception as error:
            return decision.failed(error)

    return ahead(sign, decisions, jobs=jobs)


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
