"""What has to be known to use a network rightly; an exported file carries it in its metadata."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rotnet.geometry.angles import DECODERS, angle_difference

METADATA_KEY = "rotnet"
UPRIGHT_WITHIN = 5.0  # degrees; turning a picture that stands upright by more than this does harm


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
        ValueError: There is no such decoder.
    """

    decoder: str = "local_mean"
    tolerance: float = 10.0
    calibration: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    min_confidence: float = 0.5
    max_upright: float = 1.0

    def __post_init__(self) -> None:
        if self.decoder not in DECODERS:
            raise ValueError(f"decoder must be one of {DECODERS}. Received: decoder={self.decoder!r}.")

    @classmethod
    def from_json(cls, text: str) -> ModelCard:
        """Read a card, a JSON object; entries of later versions are ignored."""
        values = {key: value for key, value in json.loads(text).items() if key in cls.__dataclass_fields__}
        return cls(**values)

    def mass(self, probabilities: NDArray[np.floating], angle: float) -> float:
        """Share of `(bins,)` probabilities within the tolerance of `angle`, in [0, 1]."""
        return _mass(probabilities, angle, self.tolerance)

    def upright(self, probabilities: NDArray[np.floating]) -> float:
        """Share of `(bins,)` probabilities within 5 degrees of upright, in [0, 1].

        The network learned from pictures turned by any angle alike. Among those that people have, most stand upright,
        so that a little of this says much.
        """
        return _mass(probabilities, 0.0, UPRIGHT_WITHIN)

    def confidence(self, probabilities: NDArray[np.floating], angle: float, turns: int) -> float:
        """Calibrated probability that `angle` is within the tolerance, given `(bins,)` probabilities."""
        mass = min(max(self.mass(probabilities, angle), 1e-6), 1 - 1e-6)
        slope, intercept = self.calibration.get(str(turns), (1.0, 0.0))
        # the logistic function, in a form that does not overflow
        return 0.5 + 0.5 * math.tanh(0.5 * (slope * math.log(mass / (1 - mass)) + intercept))


def _mass(probabilities: NDArray[np.floating], angle: float, within: float) -> float:
    bins = np.arange(len(probabilities)) * (360.0 / len(probabilities))
    return float(probabilities[np.asarray(angle_difference(bins, angle)) <= within].sum())
