"""A store's rows cut into batches: the same ones whoever works on them, each of pictures of one source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from vibe.data.index import INDEX, read_images
from vibe.data.store import Store

PICTURES = 512
"""Of one batch: what is lost where a worker dies."""
PARTS = 8
"""At most so many batches of one video, since each reads it from its beginning."""


@dataclass(frozen=True)
class Batch:
    """Crops of some pictures of one source, in the order of the pictures."""

    source: str
    """Below the raw folder."""
    frames: tuple[int, ...]
    """Of each picture."""
    images: tuple[str, ...]
    """Of each picture, below `source`; none if that is a video."""
    picture: Int[ndarray, "crop"]
    """Which picture each crop is of; does not fall."""
    rows: Int[ndarray, "crop"]
    """Where each crop's evidence goes in the store."""
    box_px: Float[ndarray, "crop 4"]


def rows_with_pictures(store: Store) -> Bool[ndarray, "row"]:
    """Rows that have a picture and in it a box; raises ValueError if the store has no boxes."""
    box_px = store.column("box_px")
    wanted = np.zeros(len(store), bool)
    for sequence in store.sequences:
        if sequence.source:
            wanted[sequence.rows] = box_px[sequence.rows, 2:].max(1) > 0
    return wanted


def cut_batches(store: Store) -> Iterator[Batch]:
    """All rows that have pictures; a picture of several people is in one batch, once."""
    wanted = rows_with_pictures(store)
    images = np.array(read_images(store.folder / INDEX, slice(0, len(store))))
    places: dict[str, list[slice]] = {}
    for sequence in store.sequences:
        places.setdefault(sequence.source, []).append(sequence.rows)
    for source, slices in places.items():
        rows = np.concatenate([np.arange(each.start, each.stop) for each in slices])
        rows = rows[wanted[rows]]
        if len(rows):
            yield from _cut(store, source, rows, images[rows])


def _cut(store: Store, source: str, rows: Int[ndarray, "crop"], images: ndarray) -> Iterator[Batch]:
    """The batches of one source: a video in order of its frames, files in the order in which the set names them."""
    frames, is_video = store.frames[rows], not images.any()
    _, first, picture = np.unique(frames if is_video else images, return_index=True, return_inverse=True)
    if not is_video:
        order = np.argsort(first)
        first, picture = first[order], np.argsort(order)[picture]
    by_picture = np.argsort(picture, kind="stable")
    rows, picture = rows[by_picture], picture[by_picture]
    size = max(PICTURES, -(-len(first) // PARTS)) if is_video else PICTURES
    for start in range(0, len(first), size):
        chosen = first[start : start + size]
        crops = slice(*np.searchsorted(picture, [start, start + size]))
        yield Batch(
            source,
            tuple(frames[chosen].tolist()),
            () if is_video else tuple(images[chosen].tolist()),
            picture[crops] - start,
            rows[crops],
            np.array(store.column("box_px")[rows[crops]]),
        )
