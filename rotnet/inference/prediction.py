"""What a model says of one picture."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rotnet.geometry.lines import LevelEstimate


@dataclass(frozen=True)
class AnglePrediction:
    """What a model says of one picture.

    Attributes:
        angle: Degrees counter-clockwise as seen, in [0, 360), that the picture is turned by.
        confidence: Probability, in [0, 1], that the true angle is within the tolerance of the model's card, 10 degrees
            for the presets, of `angle`; calibrated where the card has a calibration, as those of the presets have.
        probabilities: `(360,)` float32, one for each whole degree, summing to 1.
        turns: Views that were pooled.
        level: What the lines of the picture say, where they were believed; None elsewhere. It is part of `angle`.
    """

    angle: float
    confidence: float
    probabilities: NDArray[np.float32] = field(repr=False, compare=False)
    turns: int = field(default=4, repr=False, compare=False)
    level: LevelEstimate | None = field(default=None, repr=False, compare=False)

    @property
    def refined_by(self) -> float:
        """Degrees by which lines have moved the network's answer, 0 where there were none."""
        return 0.0 if self.level is None else self.level.roll
