"""Pictures of several folders, by collection and by what they are for."""

import csv
import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

LARGEST_SHARE = 0.15  # of the examples, for one collection
FLATTENING = 0.6  # a collection weighs as its number of pictures to this power
# collections whose pictures are alike, squashed or askew weigh less than others
WEIGHTS = {"sitcom": 0.5, "sport100": 0.7, "portraits": 0.7, "weather": 0.6, "speedlimit": 0.5, "tud": 0.7, "idd": 0.8}
# the collections that `photo` began with, of more kinds than the others, weigh twice, or it forgets them
FIRST = frozenset("clothing flickr houses idd imagenet pets speedlimit travels tud unsplash vocobj".split())


@dataclass(frozen=True)
class Photo:
    path: Path
    side: str  # train, choose or test
    source: str


def photos(folders):
    """The pictures of folders with a `manifest.csv` (columns `path`, `split`, `source` and, for some, `group`).

    The `val` pictures of a folder whose manifest has groups are divided by group: one half is to choose by, with all
    other `val` pictures, and the other half, `test`, is looked at once, for the model card.
    """
    found = []
    for folder in folders:
        with Path(folder, "manifest.csv").open(newline="") as lines:
            for row in csv.DictReader(lines):
                side = row["split"]
                if side == "val":
                    side = _half(f"{row['source']}/{row['group']}") if row.get("group") else "choose"
                found.append(Photo(Path(folder, row["path"]), side, row["source"]))
    return sorted(found, key=lambda photo: str(photo.path))


def shares(train):
    """The probability of each picture to be drawn, so that collections are in balance."""
    count = Counter(photo.source for photo in train)
    weight = {
        source: number**FLATTENING * WEIGHTS.get(source, 1.0) * (2 if source in FIRST else 1)
        for source, number in count.items()
    }
    total = sum(weight.values())
    weight = {source: min(value / total, LARGEST_SHARE) for source, value in weight.items()}
    drawn = np.array([weight[photo.source] / count[photo.source] for photo in train])
    return drawn / drawn.sum()


def _half(group):
    return ("choose", "test")[hashlib.sha256(group.encode()).digest()[0] % 2]
