"""Train a photo model on a folder of upright photographs, as the network that the preset `photo` grew from was.

    python examples/train_photos.py PHOTOS -o runs/photo

PHOTOS holds upright pictures, in sub-folders too. Started again after a stop, the run goes on where it was. It ends
with `model.onnx`, which `--model` takes, and `metrics.json`. The resolution grows from stage to stage; `--stages`
changes that.
"""

import argparse
import json
import sys

from rotnet import RotNetError
from rotnet.training import run_photos


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="upright photographs")
    parser.add_argument("-o", "--output", required=True, help="folder of the run")
    parser.add_argument("--backbone", default="efficientnet_lite0", help="any of rotnet.models.BACKBONES")
    parser.add_argument("--stages", nargs="+", metavar="SIZE:EPOCHS:RATE[:FREEZE_BEFORE]")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    report = run_photos(
        options.folder, options.output, backbone=options.backbone, stages=options.stages, seed=options.seed
    )
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    try:
        main()
    except RotNetError as error:
        sys.exit(f"{error}")
