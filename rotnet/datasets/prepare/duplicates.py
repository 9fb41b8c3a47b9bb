"""Near-duplicates by perceptual hash, found without comparing every picture with every other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rotnet.errors import UsageError, require

BITS = 64
MAX_DISTANCE = 15
_LARGEST = 256  # pixels; more only costs time, for the hash looks at 32
_ONES = np.array([bin(byte).count("1") for byte in range(256)], np.uint8)


def perceptual_hash(image: NDArray[np.uint8]) -> int:
    """Fingerprint of what a picture looks like: the signs of its 64 lowest frequencies.

    Args:
        image: `(H, W, 3)` uint8.

    Returns:
        64 bits, of which few differ after scaling, recompression or a slight edit.

    Raises:
        MissingExtraError: `imagehash` is not installed.
    """
    imagehash = require("imagehash", "prepare", "finding near-duplicates")
    scale = _LARGEST / max(image.shape[:2])
    if scale < 1:
        size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return int(str(imagehash.phash(Image.fromarray(image))), 16)


def near_pairs(hashes: NDArray[np.uint64], distance: int) -> list[tuple[int, int]]:
    """Pairs of hashes that differ in few bits.

    The bits are cut into one part more than may differ, so that any such pair agrees in a whole part. Only hashes that
    do are compared, so that the work grows with their number and not with its square.

    Args:
        hashes: `(N,)` uint64, all different.
        distance: Bits that may differ, 0 to 15.

    Returns:
        Indices, the smaller first, sorted.

    Raises:
        UsageError: The distance is out of range.

    Example:
        >>> near_pairs(np.array([0b0000, 0b1111_0000_0000, 0b0011], np.uint64), 2)
        [(0, 2)]
    """
    if not 0 <= distance <= MAX_DISTANCE:
        raise UsageError(f"distance must be 0 to {MAX_DISTANCE} bits. Received: distance={distance!r}.")
    edges = [round(part * BITS / (distance + 1)) for part in range(distance + 2)]
    parts = zip(edges[:-1], edges[1:], strict=True)
    return sorted({pair for low, high in parts for pair in _agreeing(hashes, low, high, distance)})


def _agreeing(hashes: NDArray[np.uint64], low: int, high: int, distance: int) -> Iterator[tuple[int, int]]:
    """Near pairs among the hashes that agree in the bits from `low` up to `high`."""
    part = (hashes >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
    order = np.argsort(part, kind="stable")
    part, ordered = part[order], hashes[order]
    for step in range(1, len(hashes)):
        first = np.flatnonzero(part[step:] == part[:-step])
        if len(first) == 0:
            return
        differing = _ONES[(ordered[first] ^ ordered[first + step]).view(np.uint8)].reshape(-1, 8).sum(axis=1)
        near = first[differing <= distance]
        yield from zip(order[near].tolist(), order[near + step].tolist(), strict=True)


def find_duplicates(hashes: Sequence[int], distance: int, mirrored: Sequence[int] = ()) -> tuple[list[int], list[int]]:
    """Choose one picture to stand for all that look like it.

    Args:
        hashes: Perceptual hashes, the picture that one would rather keep before the other.
        distance: Bits in which near-duplicates differ at most.
        mirrored: Perceptual hashes of the mirror images; empty does not look for mirrored copies.

    Returns:
        For each picture the one that stands for it, itself if it is to be kept, and its cluster: the first of all
        pictures that it is connected with by near-duplicates of near-duplicates.

    Example:
        >>> find_duplicates([0b0000, 0b0011, 0b1111, 0b0000], 2)
        ([0, 0, 2, 0], [0, 0, 0, 0])
        >>> find_duplicates([0b0101, 0b1010], 0, [0b1010, 0b0101])
        ([0, 0], [0, 0])
    """
    looks = list(zip(hashes, mirrored, strict=True)) if mirrored else [(one,) for one in hashes]
    each = len(looks[0]) if looks else 1
    all_hashes = np.array([one for look in looks for one in look], np.uint64)
    values, first, which = np.unique(all_hashes, return_index=True, return_inverse=True)
    owner = first // each  # the first picture that has this hash, or whose mirror image has
    same = [(int(owner[value]), place // each) for place, value in enumerate(which) if owner[value] != place // each]
    near = ((int(owner[one]), int(owner[other])) for one, other in near_pairs(values, distance))
    pairs = {(min(pair), max(pair)) for pair in near if pair[0] != pair[1]}
    before: dict[int, list[int]] = defaultdict(list)
    equal: dict[int, list[int]] = defaultdict(list)
    for table, found in ((before, sorted(pairs)), (equal, same)):
        for one, other in found:
            table[other].append(one)
    standing = list(range(len(hashes)))
    for index in standing.copy():
        stands = min((standing[one] for one in equal[index]), default=index)
        standing[index] = next((one for one in before[index] if standing[one] == one), stands)
    return standing, clusters(len(hashes), [*pairs, *same])


def clusters(number: int, pairs: Iterable[tuple[int, ...]]) -> list[int]:
    """Connected components of a graph.

    Args:
        number: Of nodes.
        pairs: Edges.

    Returns:
        For each node the smallest one that it is connected with.

    Example:
        >>> clusters(4, [(2, 3), (0, 2)])
        [0, 1, 0, 0]
    """
    parent = list(range(number))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for one, other in pairs:
        low, high = sorted((root(one), root(other)))
        parent[high] = low
    return [root(node) for node in range(number)]
