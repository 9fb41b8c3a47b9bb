"""Teaching photographs: data, network and settings, then export, calibration and measurement."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
from tqdm import tqdm

from rotnet.datasets import load_photos, split_photos
from rotnet.datasets.augmentation import SAVED, Augmentation
from rotnet.errors import UsageError
from rotnet.evaluation import (
    Evaluation,
    calibrate,
    calibration_error,
    evaluate,
    held_out_confidence,
    is_guessing,
    largest_harmless,
    rates,
    summary,
)
from rotnet.inference.predictor import Predictor
from rotnet.models.efficientnet_lite import VARIANTS
from rotnet.models.export import export_onnx, set_metadata
from rotnet.models.heads import load_rotation_model
from rotnet.models.transfer import backbone_of, build_model, copy_weights, fix_statistics, freeze
from rotnet.training.devices import Devices, several_devices
from rotnet.training.fitting import TrainingSettings, Verbosity, fit
from rotnet.training.generators import RotNetDataGenerator
from rotnet.training.progress import Say, watched
from rotnet.training.run_folder import check_run_folder, mark_run
from rotnet.training.run_pictures import save_learning_curves, save_training_examples, save_worst, write_report


@dataclass(frozen=True)
class Stage:
    """A part of a run at one resolution.

    Attributes:
        size: Side of the square pictures, pixels.
        settings: Epochs and rates.
        freeze_before: Layers of the backbone before the first of this name stay as they are; None teaches all.
        batch_size: Pictures in a step.
        sigma: Width of the soft labels, degrees; None for one-hot labels.
        seed: Of everything drawn.
    """

    size: int
    settings: TrainingSettings
    freeze_before: str | None = None
    batch_size: int = 32
    sigma: float | None = 1.5
    seed: int = 0


def train_photos(
    folder: str | Path,
    output: str | Path,
    *,
    backbone: str = "efficientnet_lite0",
    weights: str | keras.Model | None = "imagenet",
    stages: Sequence[Stage],
    dropout: float = 0.2,
    workers: int = 2,
    verbose: Verbosity = 2,
    say: Say | None = None,
) -> keras.Model:
    """Teach a backbone which way is up from a folder of upright photographs.

    Args:
        folder: Upright photographs; see `rotnet.datasets.split_photos` for how it is divided. All are held in memory,
            decoded, with a shorter side of at most twice the largest stage: 0.6 MB each at 4:3 and 192 pixels.
        output: Where the run lives; each stage has a folder of its own in it. Started again, the run goes on.
        backbone: A name in `rotnet.models.BACKBONES`.
        weights: None for random weights, `"imagenet"`, the name of a preset, a path to the file of a whole model, or a
            model made by `rotnet.build_model`.
        dropout: Share of the features left out in training before the last layer.
        stages: Taken in order, each starting from the weights of the one before. Only the first learns the statistics
            of batch normalization; the others run on them.
        workers: Threads that prepare pictures.
        verbose: 0 prints nothing, 1 a progress bar, 2 a line an epoch.
        say: Takes a line for a person after each epoch, in the place of `verbose`; a bar runs through the epoch.

    Returns:
        The model of the last stage, with its best weights.

    Raises:
        UsageError: The folder has no pictures to learn from or to measure on, or there are no stages.
        WeightsError: The weights to begin with cannot be had or do not fit.
    """
    if not stages:
        raise UsageError("stages must hold at least one Stage. Received: no stages.")
    split = split_photos(folder)
    models = [_network(stage, backbone, weights if stage is stages[0] else None, dropout) for stage in stages]
    largest = max(stage.size for stage in stages)
    upright = {side: load_photos(getattr(split, side), short_side=2 * largest) for side in ("train", "val")}
    if not all(upright.values()):
        raise UsageError(f"{folder} must hold pictures that can be read, to learn from and to measure on.")
    taught = None
    for number, (stage, model) in enumerate(zip(stages, models, strict=True), start=1):
        keras.utils.set_random_seed(stage.seed)
        if taught is not None:
            copy_weights(taught, model)
            fix_statistics(model)  # those that the first stage has learned
        common: dict[str, Any] = {"input_shape": (stage.size, stage.size, 3), "batch_size": stage.batch_size}
        common |= {"sigma": stage.sigma, "seed": stage.seed}
        train = RotNetDataGenerator(
            upright["train"], shuffle=True, augmentation=Augmentation(), workers=workers, **common
        )
        val = RotNetDataGenerator(upright["val"], augmentation=SAVED, same_every_epoch=True, **common)
        if number == 1:
            mark_run(Path(output), "photos")
            images, labels = train[0]
            save_training_examples(images, labels.argmax(axis=1), Path(output))
        title = f"stage {number} of {len(stages)}, " if len(stages) > 1 else ""
        with watched(say, title) as told:
            options = {"verbose": verbose, **told}
            taught = fit(model, train, val, stage.settings, stage_folder(output, number), **options)
    return taught


def stage_folder(output: str | Path, number: int) -> Path:
    """Where a stage of a run lives, the first is 1."""
    return Path(output, f"stage{number}")


def _network(stage: Stage, backbone: str, weights: str | keras.Model | None, dropout: float) -> keras.Model:
    keras.utils.set_random_seed(stage.seed)
    model = build_model(backbone, input_shape=(stage.size, stage.size, 3), weights=weights, dropout=dropout)
    if isinstance(weights, keras.Model):
        fix_statistics(model)  # few pictures would ruin those that come from many
    if stage.freeze_before:
        freeze(model, stage.freeze_before)
    return model


# of the network that the preset `photo` grew from; weights/README.md says where that run differs, and what came after
PHOTO_STAGES = (
    "160:12:1e-3:stage3",
    "192:8:5e-4:stage3",
    "160:20:2.5e-4:stage3",
    "192:18:2e-4:stage3",
    "224:16:1.2e-4:stage3",
    "224:7:6e-5:stage3",
    "224:14:1.1e-4:stage3",
)


def parse_stage(text: str, *, batch_size: int = 32, sigma: float = 1.5, seed: int = 0) -> Stage:
    """Read `SIZE:EPOCHS:RATE[:FREEZE_BEFORE]`.

    Args:
        text: Side of the pictures in pixels, epochs, highest learning rate, and the first layer that is taught.
        batch_size, sigma, seed: Those of the `Stage`.

    Raises:
        UsageError: The text has another form.

    Example:
        >>> parse_stage("160:12:1e-3:stage3").settings.epochs
        12
    """
    try:
        size, epochs, rate, freeze_before, *more = [*text.split(":"), ""]
        if any(more) or min(int(size), int(epochs)) < 1 or not 0 < float(rate) < math.inf:
            raise ValueError(text)
        settings = TrainingSettings(epochs=int(epochs), learning_rate=float(rate))
        return Stage(int(size), settings, freeze_before or None, batch_size, sigma, seed)
    except ValueError as error:
        raise UsageError(
            f"A stage must be SIZE:EPOCHS:RATE[:FREEZE_BEFORE], as 160:12:1e-3. Received: {text}"
        ) from error


# to go on from a model that knows already: gently
FINE_TUNING_EPOCHS, FINE_TUNING_RATE = 5, 3e-5
LEAST_PICTURES = {"train": 32, "val": 5}  # a batch to learn from; fewer to measure on tell nothing


def check_enough(folder: str | Path) -> None:
    """Refuse a folder with too few pictures to be worth a training.

    Raises:
        UsageError: There are fewer than `LEAST_PICTURES` to learn from or to measure on.
    """
    split = split_photos(folder)
    if len(split.train) < LEAST_PICTURES["train"] or len(split.val) < LEAST_PICTURES["val"]:
        raise UsageError(
            f"{folder} must hold at least {LEAST_PICTURES['train']} pictures to learn from and {LEAST_PICTURES['val']} "
            f"to measure on. Found: {len(split.train)} and {len(split.val)}. "
            "Add upright pictures: some hundred to go on from a model (--from photo), some thousand to begin anew."
        )


def run_photos(
    folder: str | Path,
    output: str | Path,
    *,
    backbone: str | None = None,
    stages: Sequence[str] | None = None,
    epochs: int | None = None,
    seed: int = 0,
    weights: str | None = "imagenet",
    beside: str | None = None,
    devices: Devices = None,
    say: Say | None = None,
) -> dict[str, Any]:
    """Train on a folder of upright photographs, export the model, calibrate and measure it.

    Beside the model, `learning-curves.png`, `examples.png` (what the network is shown) and `worst.png` (its worst
    answers) lie in the folder of the run.

    Args:
        folder: Upright photographs; see `rotnet.datasets.split_photos` for how it is divided.
        output: Where the run lives, outside of `folder`: new, empty, or of the same run, which goes on.
        backbone: A name in `rotnet.models.BACKBONES`; None for that of the model that is gone on from, else
            `"efficientnet_lite0"`.
        stages: Each as `parse_stage` reads it; None as the network that the preset `photo` grew from was trained, with
            nothing frozen in backbones of another kind, or, to go on from a model, a single gentle one near its size.
        epochs: Of each stage; None for its own.
        seed: Of everything drawn.
        weights: None for random weights, `"imagenet"`, or the name of a preset or a path to the file of a model that is
            gone on from, as `rotnet.models.load_rotation_model` takes it.
        beside: A preset or file to measure on the same pictures; None for none.
        devices: What learns, as `rotnet.training.devices.several_devices` takes it.
        say: Takes sentences for a person; None leaves telling to Keras, a line an epoch.

    Returns:
        The report that is also written to `metrics.json`; the model lies beside it as `model.onnx`. Its `guessing` says
        whether the answers are no better than chance.

    Raises:
        UsageError: The folder holds too little, `output` something else than this run, an option is not as described,
            or the model that is gone on from has another backbone.
        WeightsError: The weights to begin with cannot be had or do not fit.
    """
    output, say_or_not = Path(output), say or (lambda line: None)
    check_run_folder(output, "photos", pictures=folder)
    begun = None if weights in (None, "imagenet") else load_rotation_model(weights)
    if begun is not None:
        found = backbone_of(begun).name
        if backbone not in (None, found):
            raise UsageError(f"{weights} is a model of the backbone {found}. Received: backbone={backbone!r}.")
        backbone = found
        stages = stages or [f"{_to_train(begun)}:{FINE_TUNING_EPOCHS}:{FINE_TUNING_RATE}"]
    backbone = backbone or "efficientnet_lite0"
    parsed = [parse_stage(text, seed=seed) for text in stages or PHOTO_STAGES]
    if stages is None and backbone not in VARIANTS:  # others have no layers of these names
        parsed = [replace(stage, freeze_before=None) for stage in parsed]
    if epochs is not None:
        parsed = [replace(stage, settings=replace(stage.settings, epochs=epochs)) for stage in parsed]
    split = split_photos(folder)
    say_or_not(f"{len(split.train)} pictures to learn from, {len(split.val)} held out to measure on.")
    with several_devices(devices):
        model = train_photos(
            folder, output, backbone=backbone, weights=weights if begun is None else begun, stages=parsed, say=say
        )
    save_learning_curves([stage_folder(output, n) / "log.csv" for n in range(1, len(parsed) + 1)], output)
    exported = export_onnx(_to_answer(model, parsed[-1].size, backbone), output / "model.onnx")
    say_or_not("Measuring on the held-out pictures: turned by known angles, saved, and read again.")
    with tqdm(
        total=len(_measurements(seed, REPEATS)) + (beside is not None),
        desc="measuring",
        unit="part",
        leave=False,
        disable=None if say else True,
    ) as bar:
        report, crooked = _calibrate_photos(exported, split.val, seed=seed, step=bar.update)
        report = {"held_out": len(split.val), "guessing": is_guessing(crooked.scores), **report}
        if beside is not None:
            report["beside"] = {beside: summary(evaluate(split.val, model=beside, seed=seed, repeats=REPEATS))}
            bar.update()
    save_worst(crooked, output)
    return write_report(output, report)


def _to_train(model: keras.Model) -> int:
    """The size to train at for a model that answers at another, see `_to_answer`."""
    size = model.input_shape[1]
    if size is None:
        raise UsageError(f"{model.name} takes pictures of any size: give stages, which say at what size it is taught.")
    return _in_steps(size * 6 / 7)


def _to_answer(model: keras.Model, size: int, backbone: str) -> keras.Model:
    """The same network for pictures a sixth larger, in steps of 32 pixels.

    In training, things look larger than they will, for it crops; at a higher resolution they look as large as the
    network knows them (Touvron et al., "Fixing the train-test resolution discrepancy", 2019).
    """
    size = _in_steps(size * 7 / 6)
    return build_model(backbone, input_shape=(size, size, 3), weights=model)


def _in_steps(size: float) -> int:
    """The nearest multiple of 32 pixels, and at least that."""
    return max(32, 32 * round(size / 32))


MIN_CONFIDENCE = 0.8  # four in five: whoever wants another balance asks for it
REPEATS = 4  # angles a photograph is turned by
UPRIGHT_WINDOWS = 8  # of each upright photograph, so that no single one decides which are left alone


def calibrate_photos(
    exported: str | Path, val: Sequence[Path], *, seed: int = 0, repeats: int = REPEATS, **asked: Any
) -> dict[str, Any]:
    """Measure an exported model on saved crooked files and write what its confidence is worth into the file.

    Args:
        exported: `.onnx` file; its metadata is replaced.
        val: Upright photographs that the model has not learned from.
        seed: Of the angles; the figures come from other angles than the calibration.
        repeats: Angles a photograph is turned by, for the calibration and again for the figures.
        **asked: How answers are had, `turns` and `refine` of `rotnet.evaluate`; its defaults where they are left out.

    Returns:
        Scores by protocol and number of turns, and what the default threshold does.
    """
    return _calibrate_photos(exported, val, seed=seed, repeats=repeats, **asked)[0]


def _measurements(seed: int, repeats: int) -> dict[str, dict[str, Any]]:
    """What `calibrate_photos` measures, by name: options of `evaluate`."""
    to_calibrate, crooked = ({"seed": drawn_by, "repeats": repeats} for drawn_by in (seed + 1, seed))
    return {
        "calibration_1": {"turns": 1, **to_calibrate},
        "calibration_4": {"turns": 4, **to_calibrate},
        "windows": {"protocol": "upright", "seed": seed, "repeats": UPRIGHT_WINDOWS},
        "files": crooked,
        "files_one_turn": {"turns": 1, **crooked},
        "memory": {"protocol": "memory", **crooked},
        "twice": {"protocol": "twice", **crooked},
        "noise": {"protocol": "noise", **crooked},
        "upright": {"protocol": "upright"},
    }


def _calibrate_photos(
    exported: str | Path,
    val: Sequence[Path],
    *,
    seed: int,
    repeats: int = REPEATS,
    step: Callable[[], object] = lambda: None,
    **asked: Any,
) -> tuple[dict[str, Any], Evaluation]:
    """The report of `calibrate_photos`, and the answers to crooked files; `step` is called after each measurement."""
    options = _measurements(seed, repeats)

    def measured(name: str) -> Evaluation:
        found = evaluate(val, model=Predictor(exported), **{**asked, **options[name]})
        step()
        return found

    card: dict[str, Any] = {"calibration": {}, "min_confidence": MIN_CONFIDENCE}
    looks = {turns: measured(f"calibration_{turns}") for turns in (1, 4)}
    card["calibration"] = {str(turns): calibrate(one.mass, one.right) for turns, one in looks.items()}
    set_metadata(exported, card)
    card["max_upright"] = largest_harmless(measured("windows"), min_confidence=MIN_CONFIDENCE)
    set_metadata(exported, card)
    crooked = measured("files")
    report: dict[str, Any] = {"files": summary(crooked)}
    report |= {name: summary(measured(name)) for name in ("files_one_turn", "memory", "twice", "noise")}
    pooled = looks[4]
    held_out = held_out_confidence(pooled.mass, pooled.right, [trial.seed[1] for trial in pooled.trials])
    report["calibration_error_held_out"] = round(calibration_error(held_out, pooled.right), 4)
    harm = rates(crooked, measured("upright"))
    report["threshold"] = {"min_confidence": MIN_CONFIDENCE, "max_upright": card["max_upright"]}
    report["threshold"] |= {key: round(rate, 4) for key, rate in harm.items()}
    return report, crooked
