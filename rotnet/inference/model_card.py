"""What has to be known to use a network rightly; an exported file carries it in its metadata."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rotnet.geometry.angles import DECODERS, mass_near

METADATA_KEY = "rotnet"
HARMLESS_WITHIN = 5.0  # degrees; turning a picture that stands upright by more than this does harm
LEAST_MASS = 1e-6  # log-odds are those of a probability at least this far from 0 and 1


@dataclass(frozen=True)
class ModelCard:
    """What has to be known to use a network rightly; an exported file carries it in its metadata.

    Attributes:
        decoder: How probabilities become an angle; see `rotnet.decode_angles`.
        tolerance: Degrees; the confidence is the probability of an error no larger than this.
        calibration: By number of quarter turns (`"1"`, `"4"`), slope and intercept of the logistic that maps the
            probability mass within the tolerance to the share of right answers on validation pictures (Platt, 1999).
        min_confidence: Below it a picture is better left as it is.
        max_upright: The same where the picture may as well stand upright: above this probability of it, see `upright`.

    Raises:
        ValueError: The decoder is unknown, or a number is not finite or out of range.
    """

    decoder: str = "local_mean"
    tolerance: float = 10.0
    calibration: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    min_confidence: float = 0.5
    max_upright: float = 1.0

    def __post_init__(self) -> None:
        if self.decoder not in DECODERS:
            raise ValueError(f"decoder must be one of {DECODERS}. Received: decoder={self.decoder!r}.")
        if not is_number(self.tolerance) or not 0 < self.tolerance <= 180:
            raise ValueError(f"tolerance must be degrees in (0, 180]. Received: tolerance={self.tolerance!r}.")
        for name in ("min_confidence", "max_upright"):
            if not is_number(value := getattr(self, name)):
                raise ValueError(f"{name} must be a finite number. Received: {name}={value!r}.")
        pairs = self.calibration.items() if isinstance(self.calibration, Mapping) else [("", None)]
        for turns, pair in pairs:
            if not isinstance(pair, (list, tuple)) or len(pair) != 2 or not all(map(is_number, pair)):
                raise ValueError(f"calibration must be two finite numbers by turns. Received: {turns!r}: {pair!r}.")

    @classmethod
    def from_json(cls, text: str) -> ModelCard:
        """Read a card, a JSON object; entries of later versions are ignored, anything else is a `ValueError`."""
        try:
            values = json.loads(text)
        except RecursionError as error:
            raise ValueError("it is nested too deeply") from error
        if not isinstance(values, dict):
            raise ValueError(f"it must be a JSON object, not {type(values).__name__}")
        return cls(**{key: value for key, value in values.items() if key in cls.__dataclass_fields__})

    def mass(self, probabilities: NDArray[np.floating], angle: float) -> float:
        """Share of `(bins,)` probabilities within the tolerance of `angle`, in [0, 1]."""
        return mass_near(probabilities, angle, self.tolerance)

    def upright(self, probabilities: NDArray[np.floating]) -> float:
        """Share of `(bins,)` probabilities within 5 degrees of upright, in [0, 1].

        The network learned from pictures turned by any angle alike. Among those that people have, most stand upright,
        so that a little of this says much.
        """
        return mass_near(probabilities, 0.0, HARMLESS_WITHIN)

    def calibration_of(self, turns: int) -> tuple[float, float]:
        """Slope and intercept for so many views: those of four for two, which are right a little more often."""
        known = str(turns) if turns == 1 or str(turns) in self.calibration else "4"
        slope, intercept = self.calibration.get(known, (1.0, 0.0))
        return slope, intercept

    def confidence(self, probabilities: NDArray[np.floating], angle: float, turns: int) -> float:
        """Calibrated probability that `angle` is within the tolerance, given `(bins,)` probabilities."""
        mass = min(max(self.mass(probabilities, angle), LEAST_MASS), 1 - LEAST_MASS)
        slope, intercept = self.calibration_of(turns)
        # the logistic function, in a form that does not overflow
        return 0.5 + 0.5 * math.tanh(0.5 * (slope * math.log(mass / (1 - mass)) + intercept))


def is_number(value: object) -> bool:
    """Whether a value read from JSON is a number, finite and not beyond what float64 holds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return -sys.float_info.max <= value <= sys.float_info.max
