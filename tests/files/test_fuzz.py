"""Damaged files: thousands of mutated pictures, of which none crashes or hangs a run, nor is half of one written."""

import os
import random
from pathlib import Path

import pytest
from compass import compass_onnx, crooked
from pictures import encoded, exif_with
from PIL import Image, features
from runs import correct_planned

from rotnet import Predictor
from rotnet.files import plan_targets
from rotnet.images import reading

MUTANTS = 250  # of each kind
KINDS = {
    "jpg": lambda: encoded(crooked(30.0), "JPEG", quality=90, exif=exif_with(6), dpi=(72, 72)),
    "progressive.jpg": lambda: encoded(crooked(90.0), "JPEG", progressive=True, subsampling=2),
    "png": lambda: encoded(crooked(30.0), exif=exif_with(3)),
    "palette.png": lambda: encoded(Image.fromarray(crooked(90.0)).quantize(64)),
    "tif": lambda: encoded(crooked(30.0), "TIFF", compression="tiff_lzw", exif=exif_with(8)),
    "webp": lambda: encoded(crooked(90.0), "WEBP", exif=exif_with(1)),
    "bmp": lambda: encoded(crooked(30.0), "BMP"),
    "gif": lambda: encoded(crooked(30.0), "GIF"),
}


def mutant(data, rng):
    """A file with a few bytes changed, cut, doubled or moved."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        at, length = rng.randrange(len(data)), rng.choice((1, 2, 4, 16, 200))
        match rng.choice(("flip", "set", "cut", "end", "double", "number")):
            case "flip":
                data[at] ^= 1 << rng.randrange(8)
            case "set":
                data[at] = rng.choice((0, 1, 127, 128, 255))
            case "cut" if len(data) > length:
                del data[at : at + length]
            case "end" if at > 20:
                del data[at:]
            case "double":
                data[at:at] = data[at : at + length]
            case "number":
                data[at : at + 4] = rng.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\0\0\1"))
    return bytes(data)


@pytest.mark.parametrize("kind", KINDS)
def test_mutated_files(tmp_path, kind):
    if kind == "webp" and not features.check("webp"):
        pytest.skip("Pillow without WebP")
    predictor = Predictor(compass_onnx(tmp_path / "compass.onnx"), threads=1)
    rng, whole = random.Random(kind), KINDS[kind]()
    os.mkdir(tmp_path / "in")
    for number in range(MUTANTS):
        (tmp_path / f"in/{number:03}.{kind}").write_bytes(mutant(whole, rng))
    before = {path: path.read_bytes() for path in (tmp_path / "in").iterdir()}
    targets = plan_targets([tmp_path / "in"], tmp_path / "out")
    results = list(correct_planned(targets, predictor, min_confidence=0.0, max_pixels=1_000_000))
    assert len(results) == MUTANTS
    assert {"turned", "failed"} <= {result.action for result in results}, "some mutants are whole enough, some are not"
    assert {path: path.read_bytes() for path in (tmp_path / "in").iterdir()} == before
    written = set((tmp_path / "out").iterdir()) if any(result.target for result in results) else set()
    assert written == {result.target for result in results if result.target}
    for result in results:
        if result.target is None:
            assert result.action == "failed" and result.error.startswith(str(result.path)), result
            assert "\n" not in result.error, result
        elif result.action == "turned":
            reading.read_image(result.target, max_pixels=10_000_000)
        else:
            assert Path(result.target).read_bytes() == before[result.path]
