"""Teach a photo model on with pictures of several folders, collections in balance.

    python weights/tools/teach_photo.py PHOTOS MORE -o runs/photo14 --stages 160:32:1e-4:stage3 208:6:5e-5:stage3

`sources.py` says which pictures are taught, chosen by and kept for the test. Batch normalization is folded into the
convolutions, whose biases learn. Started again after a stop, the run goes on where it was: each epoch is backed up. It
ends with `model.onnx`, calibrated on the pictures to choose by, which looks at pictures a sixth larger than the last
stage did. A processor with AMX multiplies matrices in bfloat16.
"""

import argparse
import csv
import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

from streams import EPOCH, Balanced  # before Keras

# isort: split
import keras
import numpy as np
from sources import photos, shares

from rotnet import RotNetDataGenerator, build_model
from rotnet.datasets.augmentation import SAVED, Augmentation
from rotnet.geometry.angles import angle_difference
from rotnet.inference import presets
from rotnet.inference.networks import OnnxNetwork
from rotnet.models.export import export_onnx
from rotnet.models.folding import fold, unfold
from rotnet.models.transfer import backbone_of, copy_weights, freeze, freeze_depthwise
from rotnet.training.fitting import fit
from rotnet.training.recipes import calibrate_photos, parse_stage


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", help="folders of upright photographs with a manifest.csv")
    parser.add_argument("-o", "--output", required=True, type=Path, help="folder of the run")
    parser.add_argument("--backbone", default="efficientnet_lite0_deep")
    parser.add_argument("--grow-from", metavar="BACKBONE", help="of the start, where it is a smaller one")
    parser.add_argument("--start", default="photo", help="a preset, an .onnx, .keras or .weights.h5 file, or imagenet")
    parser.add_argument("--stages", nargs="+", required=True, metavar="SIZE:EPOCHS:RATE[:FREEZE_BEFORE]")
    parser.add_argument("--seed", type=int, default=10)
    parser.add_argument("--ema", type=float, help="keep the moving average of the weights, with this momentum")
    parser.add_argument("--examples", type=int, default=EPOCH, help="in an epoch")
    parser.add_argument(
        "--fix-depthwise", action="store_true", help="teach only what mixes channels: 1.4 times as quick on a processor"
    )
    parser.add_argument(
        "--doubt", action="store_true", help="draw pictures that the start is in two minds of up to four times as often"
    )
    parser.add_argument("--answer", type=int, help="side of the pictures that are looked at; default: a sixth larger")
    options = parser.parse_args()
    found = photos(options.folders)
    train, choose = ([photo for photo in found if photo.side == side] for side in ("train", "choose"))
    drawn = shares(train)
    taught = None
    for number, text in enumerate(options.stages, start=1):
        stage = parse_stage(text, seed=options.seed + number)
        shape = (stage.size, stage.size, 3)
        model = fold(build_model(options.backbone, input_shape=shape, dropout=0.2))
        if taught is None:
            grow(started(options.start, options.backbone, options.grow_from, shape), model)
            if options.doubt:
                drawn = drawn * weights_by_doubt(model, train, options.output / "seen.csv", seed=options.seed)
                drawn /= drawn.sum()
            _print_shares(train, drawn)
        else:
            copy_weights(taught, model)
        if stage.freeze_before:
            freeze(model, stage.freeze_before)
        if options.fix_depthwise:
            freeze_depthwise(model)
        common = {"input_shape": shape, "batch_size": stage.batch_size, "sigma": stage.sigma, "workers": 2}
        stream = Balanced(
            [photo.path for photo in train],
            drawn,
            examples=options.examples,
            seed=stage.seed,
            augmentation=Augmentation(),
            **common,
        )
        val = RotNetDataGenerator(
            [photo.path for photo in choose], seed=0, augmentation=SAVED, same_every_epoch=True, **common
        )
        settings = replace(stage.settings, ema=options.ema)
        taught = fit(model, stream, val, settings, options.output / f"stage{number}", verbose=2)
    size = options.answer or 32 * round(stage.size * 7 / 6 / 32)
    answering = unfold(taught, build_model(options.backbone, input_shape=(size, size, 3)))
    exported = export_onnx(answering, options.output / "model.onnx")
    report = calibrate_photos(exported, [photo.path for photo in choose], repeats=2)
    (options.output / "metrics.json").write_text(json.dumps(report, indent=2) + "\n")


def _print_shares(train, drawn):
    by_source = Counter()
    for photo, share in zip(train, drawn, strict=True):
        by_source[photo.source] += float(share)
    for source, share in by_source.most_common():
        print(f"{source:12s} {share:.1%}", flush=True)


def weights_by_doubt(model, train, kept, *, seed):
    """How much each picture is to weigh, from 0.5 to 2: most where a network is in two minds, `(N,)`.

    Two examples are made of each picture; its certainty is the mean probability within 15 degrees of the truth. What is
    known by heart teaches little, and what has no up teaches nothing (Mindermann and others, 2022, "Prioritized
    training on points that are learnable, worth learning, and not yet learnt"). What was seen is kept in a file.
    """
    paths = [str(photo.path) for photo in train]
    if kept.exists():
        with kept.open(newline="") as lines:
            seen = {row["path"]: float(row["certainty"]) for row in csv.DictReader(lines)}
        certainty = np.array([seen[path] for path in paths])
    else:
        certainty = np.mean([_certainty(model, paths, seed=seed + again) for again in range(2)], axis=0)
        kept.parent.mkdir(parents=True, exist_ok=True)
        with kept.open("w", newline="") as lines:
            rows = csv.writer(lines)
            rows.writerow(("path", "certainty"))
            rows.writerows((path, f"{value:.4f}") for path, value in zip(paths, certainty, strict=True))
    return 0.5 + 6 * certainty * (1 - certainty)


def _certainty(model, paths, *, seed):
    """The probability within 15 degrees of the truth that a network gives one example of each picture, `(N,)`."""
    stream = RotNetDataGenerator(
        paths,
        input_shape=model.input_shape[1:],
        batch_size=64,
        label="angle",
        seed=seed,
        augmentation=Augmentation(),
        workers=2,
    )
    found = []
    for images, truth in stream.to_tf_dataset():
        far = angle_difference(np.asarray(truth)[:, None], np.arange(360))
        found.append((model.predict_on_batch(images) * (far <= 15)).sum(axis=1))
    return np.concatenate(found)


def grow(start, model):
    """Give a folded network the weights of a shallower one, so that it answers the same.

    A further block begins as the one before it, but for its last convolution: zeros there add nothing to what passes
    the block by (Chen and others, 2016, "Net2Net").
    """
    backbone, smaller = backbone_of(model), backbone_of(start)
    known = {layer.name for layer in smaller.layers}
    for layer in backbone.layers:
        if layer.name in known:
            layer.set_weights(smaller.get_layer(layer.name).get_weights())
        elif layer.name.endswith("project_conv"):
            layer.set_weights([np.zeros_like(values) for values in layer.get_weights()])
        elif layer.weights:
            layer.set_weights(backbone.get_layer(_block_before(layer.name)).get_weights())
    model.get_layer("angles").set_weights(start.get_layer("angles").get_weights())


def _block_before(layer_name):
    stage, block, part = re.fullmatch(r"(stage\d+_block)(\d+)(_.*)", layer_name).groups()
    return f"{stage}{int(block) - 1}{part}"


def started(name, backbone, smaller, shape):
    """A folded network with the weights to start from, whatever the size of the pictures they were taught with."""
    backbone = smaller or backbone
    if name == "imagenet":
        return fold(build_model(backbone, input_shape=shape, weights="imagenet"))
    if name.endswith(".keras"):
        return keras.models.load_model(name, compile=False)
    if name.endswith(".weights.h5"):  # the best of a stage that was stopped
        model = fold(build_model(backbone, input_shape=shape, dropout=0.2))
        model.load_weights(name)
        return model
    path = presets.find(name)
    return fold(build_model(backbone, input_shape=OnnxNetwork(path).input_shape, weights=path))


if __name__ == "__main__":
    main()
