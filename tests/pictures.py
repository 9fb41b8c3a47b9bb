"""Small generated pictures that several tests read and write."""

import io

import numpy as np
from PIL import Image

ORIENTATION = 0x0112
COLORS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
GRAY = COLORS[:, :, 0]


def encoded(image, format="PNG", **options):
    file = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(file, format, **options)
    return file.getvalue()


def smooth(height=24, width=32):
    """A picture that survives JPEG and whose eight orientations differ."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 // width, y * 255 // height, (x + y) * 255 // (height + width)], -1).astype(np.uint8)


def exif_with(orientation=None, make="Maker"):
    exif = Image.Exif()
    if make:
        exif[0x010F] = make
    if orientation is not None:
        exif[ORIENTATION] = orientation
    return exif
