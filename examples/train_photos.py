"""Train a photo model on a folder of upright photographs, as the preset `photo` was.

    python examples/train_photos.py PHOTOS -o runs/photo

PHOTOS holds upright pictures, in sub-folders too. Started again after a stop, the run goes on where it was. The
resolution grows from stage to stage; `--stages SIZE:EPOCHS:RATE:FREEZE_BEFORE ...` changes that.
"""

import argparse

from rotnet.training import Plan, Stage, train_photos

DEFAULT_STAGES = ("160:14:1e-3:stage3", "224:4:3e-4:stage3")


def stage(text, *, batch_size, seed, sigma):
    size, epochs, rate, *freeze_before = text.split(":")
    plan = Plan(epochs=int(epochs), learning_rate=float(rate), batch_size=batch_size, seed=seed, sigma=sigma)
    return Stage(int(size), plan, freeze_before[0] if freeze_before and freeze_before[0] else None)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--stages", nargs="+", default=DEFAULT_STAGES, metavar="SIZE:EPOCHS:RATE:FREEZE_BEFORE")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--sigma", type=float, default=3.0, help="width of the soft labels, degrees")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    shared = {"batch_size": options.batch_size, "seed": options.seed, "sigma": options.sigma}
    stages = [stage(text, **shared) for text in options.stages]
    train_photos(options.folder, options.output, backbone=options.backbone, stages=stages)


if __name__ == "__main__":
    main()
