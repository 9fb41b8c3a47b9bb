"""What a model says of one picture."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rotnet.geometry.lines import LevelEstimate

LINES_HEARD = 0.4  # probability that lines are right within a degree, from which on they move an answer
LINES_BELIEVED = 0.8  # and from which on the level is taken for known
NETWORK_YIELDS = 0.2  # lines move an answer by this more than that share of what they say, and never by more than all


@dataclass(frozen=True)
class AnglePrediction:
    """What a model says of one picture.

    Attributes:
        angle: Degrees counter-clockwise as seen, in [0, 360), that the picture is turned by.
        confidence: Probability, in [0, 1], that the true angle is within the tolerance of the model's card, 10 degrees
            for the presets, of `angle`; calibrated where the card has a calibration, as those of the presets have.
        probabilities: `(360,)` float32, one for each whole degree, summing to 1.
        turns: Views that were pooled.
        level: What the lines of the picture say, where they were heard; None elsewhere.
    """

    angle: float
    confidence: float
    probabilities: NDArray[np.float32] = field(repr=False, compare=False)
    turns: int = field(default=4, repr=False, compare=False)
    level: LevelEstimate | None = field(default=None, repr=False, compare=False)

    @property
    def refined_by(self) -> float:
        """Degrees by which lines have moved the network's answer, 0 where there were none.

        The likelier lines are right, the further they move it. Of 504 answers to level Street Views turned by any
        angle, 79 % are then right within a degree, 56 % by the network alone; of 351 to other pictures 28 and 30 %, as
        nobody held the camera to a degree (`weights/tools/calibrate_lines.py --answers`).
        """
        return 0.0 if self.level is None else min(1.0, self.level.probability_one + NETWORK_YIELDS) * self.level.roll

    @property
    def is_level_known(self) -> bool:
        """Whether lines tell the level so surely that a slight tilt is known, not guessed."""
        return self.level is not None and self.level.probability_one >= LINES_BELIEVED
