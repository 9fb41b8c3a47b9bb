"""Make the sample photographs in `examples/photos`: free pictures, turned by known angles.

Each picture is turned once, at full resolution, cropped to the largest rectangle without black corners and saved as
JPEG, as a crooked photograph would be. They come out of installed packages, nothing is downloaded:

    pip install 'rotnet[train]' scikit-learn
    python examples/make_photos.py
"""

import argparse
import csv
from pathlib import Path

import numpy as np
import skimage.data
from matplotlib.cbook import get_sample_data
from PIL import Image
from sklearn.datasets import load_sample_image

import rotnet

# name: upright picture, angle in degrees counter-clockwise
PHOTOS = {
    "astronaut": (skimage.data.astronaut, 333.5),
    "camera": (skimage.data.camera, 141.7),
    "cat": (skimage.data.chelsea, 268.4),
    "coffee": (skimage.data.coffee, 0.0),
    "hopper": (lambda: rotnet.read_image(get_sample_data("grace_hopper.jpg")), 201.6),
    "pavilion": (lambda: load_sample_image("china.jpg"), 17.3),
    "rocket": (skimage.data.rocket, 94.0),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent / "photos")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "truth.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["file", "angle"])
        for name, (load, angle) in PHOTOS.items():
            upright = np.asarray(load())
            turned = rotnet.rotate(upright, angle, crop="fit", interpolation="cubic")
            Image.fromarray(turned).save(folder / f"{name}.jpg", quality=90)
            table.writerow([f"{name}.jpg", angle])
            print(f"{name}.jpg: {angle:5.1f} degrees, {turned.shape[1]} x {turned.shape[0]} pixels")


if __name__ == "__main__":
    main()
