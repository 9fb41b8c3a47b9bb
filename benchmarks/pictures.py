"""The pictures that everything is measured on: the sample photographs, scaled to the size of street views."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

PHOTOS = Path(__file__).parent.parent / "examples" / "photos"
STREET_VIEW = (1025, 1281)


def street_views(folder: Path, number: int, *, size: tuple[int, int] = STREET_VIEW) -> list[Path]:
    """Make JPEG files of `size`, (height, width): sample photographs with the fine texture that scaling up lacks."""
    folder.mkdir(parents=True, exist_ok=True)
    photos = sorted(PHOTOS.glob("*.jpg"))
    paths = []
    for index in range(number):
        with Image.open(photos[index % len(photos)]) as photo:
            scaled = photo.convert("RGB").resize((size[1], size[0]), Image.Resampling.BICUBIC)
        levels = np.asarray(scaled) + 12 * _texture(*size, np.random.default_rng(index))[..., None]
        path = folder / f"{index:03}.jpg"
        Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8)).save(path, quality=85)
        paths.append(path)
    return paths


def _texture(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Noise with the spectrum of photographs, falling with frequency, of standard deviation 1."""
    coarse = [rng.standard_normal((max(2, height >> k), max(2, width >> k))).astype(np.float32) for k in range(7)]
    total = sum(cv2.resize(level, (width, height)) * 2**k for k, level in enumerate(coarse))
    return (total - total.mean()) / total.std()
