"""Average the weights of two networks, one of them taught on from the other (Wortsman et al., 2022).

    python weights/tools/blend_photo.py photo runs/photo14/model.onnx -o blend.onnx --share 0.5

What the second has learned of new pictures and what the first knew of old ones is then partly there, at the cost of
one network. The calibration is that of `photo` until the file is calibrated anew.
"""

import argparse
from dataclasses import asdict
from pathlib import Path

from teach_photo import grow, started

from rotnet import Predictor, build_model
from rotnet.models.export import export_onnx, set_metadata
from rotnet.models.folding import fold, unfold


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", help="a preset, an .onnx or a .keras file")
    parser.add_argument("second", help="likewise")
    parser.add_argument("-o", "--output", required=True, type=Path)
    parser.add_argument("--share", type=float, default=0.5, help="of the second; default: 0.5")
    parser.add_argument("--backbone", default="efficientnet_lite0_deep")
    parser.add_argument("--grow-from", metavar="BACKBONE", help="of the first, where it is a smaller one")
    parser.add_argument("--size", type=int, default=256, help="side of the pictures that are looked at; default: 256")
    options = parser.parse_args()
    shape = (options.size, options.size, 3)
    networks = []
    for name, smaller in ((options.first, options.grow_from), (options.second, None)):
        network = fold(build_model(options.backbone, input_shape=shape))
        grow(started(name, options.backbone, smaller, shape), network)
        networks.append(network)
    first, second = (network.get_weights() for network in networks)
    share = options.share
    networks[0].set_weights([(1 - share) * one + share * other for one, other in zip(first, second, strict=True)])
    blended = unfold(networks[0], build_model(options.backbone, input_shape=shape))
    exported = export_onnx(blended, options.output)
    card = asdict(Predictor("photo").card)
    set_metadata(exported, {name: card[name] for name in ("calibration", "min_confidence", "max_upright")})


if __name__ == "__main__":
    main()
