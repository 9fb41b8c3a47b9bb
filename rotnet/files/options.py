"""How the crooked pictures among many files are turned, checked once."""

from __future__ import annotations

import os
from dataclasses import dataclass

from rotnet.errors import UsageError
from rotnet.geometry.cropping import Beyond, CropName, named_crop
from rotnet.geometry.filling import Fill, numbers_of
from rotnet.images import reading, turn_file
from rotnet.images.raw import RAW_EXTENSIONS
from rotnet.images.turn_file import QuarterTurns
from rotnet.images.turning import check_max_loss

_TAKEN = reading.EXTENSIONS | RAW_EXTENSIONS | {".xmp"}


@dataclass(frozen=True)
class Turning:
    """How crooked pictures are turned: the options of these names of `correct_files`, checked once.

    Attributes:
        crop, fill, quarter_turns, max_pixels, strict: What to make of a picture; an older name of a crop becomes that
            of today.
        max_loss, beyond: How much of a picture its crop may lose, and what is done where it would lose more.
        backup: End of the name under which the original of a picture turned in place is kept; None does not keep it.
        sidecar: Whether an XMP sidecar tells the turn, and pixels stay. It tells of no crop but `"fit"`, so that `crop`
            becomes that, and `beyond` becomes `"leave"`.

    Raises:
        UsageError: An option is not as described.
    """

    crop: CropName = "fit"
    fill: Fill = 0
    quarter_turns: QuarterTurns = "auto"
    max_pixels: int | None = reading.MAX_PIXELS
    backup: str | None = None
    strict: bool = True
    max_loss: float | None = None
    beyond: Beyond = "keep"
    sidecar: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "fill", numbers_of(self.fill))  # plans hold what the name of a colour stands for
        turn_file.check_options(
            crop=self.crop,
            fill=self.fill,
            interpolation="cubic",
            quarter_turns=self.quarter_turns,
            tolerance=0.0,
        )
        check_max_loss(self.max_loss, self.beyond)
        if self.backup is not None:
            is_end = self.backup and os.path.basename(self.backup) == self.backup
            if not is_end or os.path.splitext(f"name{self.backup}")[1].lower() in _TAKEN:
                raise UsageError(
                    "backup must be the end of a name that is no picture's and no sidecar's, like .orig. "
                    f"Received: backup={self.backup!r}."
                )
        if not isinstance(self.strict, bool):
            raise UsageError(f"strict must be True or False. Received: strict={self.strict!r}.")
        if not isinstance(self.sidecar, bool):
            raise UsageError(f"sidecar must be True or False. Received: sidecar={self.sidecar!r}.")
        object.__setattr__(self, "crop", "fit" if self.sidecar else named_crop(self.crop))
        if self.sidecar:  # which tells what is cut off, and of no larger canvas
            object.__setattr__(self, "beyond", "leave")
