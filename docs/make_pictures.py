"""Draw the pictures of the README: free photographs as the preset `photo` turns them.

    python docs/make_pictures.py

Writes before-after.jpg, examples.jpg and level.jpg beside this file.
"""

import io
from pathlib import Path

from PIL import Image, ImageOps
from skimage import data

import rotnet
from rotnet.evaluation.figures import display_examples
from rotnet.evaluation.plots import plot_level

DOCS = Path(__file__).parent
CROOKED = [DOCS.parent / "examples" / "photos" / f"{name}.jpg" for name in ("camera", "pavilion", "hopper", "rocket")]
TILE, GAP = 220, 12


def before_and_after(paths):
    """A column a picture: crooked above, upright below."""
    sheet = Image.new("RGB", (len(paths) * (TILE + GAP) - GAP, 2 * TILE + GAP), "white")
    for column, path in enumerate(paths):
        upright = rotnet.correct_rotation(path, min_confidence=0.8, max_loss=0.25, fill="blur")
        for row, picture in enumerate((Image.open(path), upright)):
            tile = ImageOps.contain(picture.convert("RGB"), (TILE, TILE), Image.Resampling.LANCZOS)
            left, top = column * (TILE + GAP) + (TILE - tile.width) // 2, row * (TILE + GAP) + (TILE - tile.height) // 2
            sheet.paste(tile, (left, top))
    return sheet


def examples():
    """Upright photographs that come with scikit-image: as they are, turned, and turned back."""
    upright = [data.astronaut(), data.camera(), data.cat(), data.rocket()]
    file = io.BytesIO()
    display_examples("photo", upright, 4, (160, 160), True, True, seed=5).savefig(file, dpi=100)
    return Image.open(file).convert("RGB")


def levels():
    """Five pictures, the lines that are believed in each, and what they do; the last has none."""
    model = rotnet.Predictor("photo")
    tilted = [rotnet.generate_rotated_image(picture, 6, crop_center=False, crop_largest_rect=True) for picture in
              (data.stereo_motorcycle()[0], data.astronaut(), data.camera())]  # fmt: skip
    sheets = []
    for source in [CROOKED[1], *tilted, data.cat()]:
        image = rotnet.read_image(source)
        file = io.BytesIO()
        plot_level(image, model.predict(image)).savefig(file, dpi=80)
        sheets.append(Image.open(file).convert("RGB"))
    whole = Image.new("RGB", (max(one.width for one in sheets), sum(one.height for one in sheets)), "white")
    for number, one in enumerate(sheets):
        whole.paste(one, (0, sum(above.height for above in sheets[:number])))
    return whole


def main():
    drawn = {"before-after.jpg": before_and_after(CROOKED), "examples.jpg": examples(), "level.jpg": levels()}
    for name, picture in drawn.items():
        picture.save(DOCS / name, quality=85, optimize=True)


if __name__ == "__main__":
    main()
