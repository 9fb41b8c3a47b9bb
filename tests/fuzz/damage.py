"""How much damage of JPEG files is told: `python -m tests.fuzz.damage [TRIALS]`.

The sample photographs are damaged amid their scan; a picture that is read has 0.1% of its pixels changed by more than
24, or the damage does no harm.
"""

import sys
from collections import Counter
from pathlib import Path

import numpy as np

from rotnet.errors import ImageError
from rotnet.images.reading import read_image

PHOTOS = sorted(Path(__file__).parents[2].joinpath("examples", "photos").glob("*.jpg"))
CHANCE = np.random.default_rng(0)


def place(data, length):
    start = data.rindex(b"\xff\xda") + 14
    return start + int(CHANCE.integers(0, len(data) - 2 - start - length))


def garbled(length):
    def damage(data):
        at = place(data, length)
        return data[:at] + CHANCE.integers(0, 255, length, np.uint8).tobytes() + data[at + length :]

    return damage


def zeros(data):
    at = place(data, 512)
    return data[:at] + bytes(512) + data[at + 512 :]


def moved(data):
    at, other = place(data, 512), place(data, 512)
    return data[:at] + data[other : other + 512] + data[at + 512 :]


def missing(data):
    at = place(data, 512)
    return data[:at] + data[at + 512 :]


KINDS = {
    "cut anywhere": lambda data: data[: place(data, 0)] + b"\xff\xd9",
    "512 bytes missing": missing,
    "512 bytes of elsewhere": moved,
    "512 zeros": zeros,
    "400 bytes garbled": garbled(400),
    "16 bytes garbled": garbled(16),
    "1 byte garbled": garbled(1),
}


def outcome(data, whole):
    try:
        read = read_image(data).astype(np.int16)
    except ImageError:
        return "told"
    return "harmless" if (np.abs(read - whole).max(axis=2) > 24).mean() < 0.001 else "not told"


def main(trials=100):
    for kind, damage in KINDS.items():
        outcomes = Counter()
        for path in PHOTOS:
            data = path.read_bytes()
            whole = read_image(data).astype(np.int16)
            outcomes.update(outcome(damage(data), whole) for _ in range(trials))
        told = ", ".join(f"{name} {number / outcomes.total():.1%}" for name, number in sorted(outcomes.items()))
        print(f"{kind}: {told}", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
