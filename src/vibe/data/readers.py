"""What a worker does with a batch of pictures: ResNet-50's features or 2D keypoints of each crop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from numpy import ndarray

from vibe import assets, cameras
from vibe.assets.weights import BACKBONE
from vibe.data.pictures import read_pictures
from vibe.data.recording import Pictures, column_layout
from vibe.data.store import Store
from vibe.features.crops import cut
from vibe.features.extractor import BATCH, Extractor
from vibe.features.resnet import read_resnet
from vibe.parallel import Worker, one_thread
from vibe.tracking import appearance
from vibe.tracking.detector import iou
from vibe.tracking.pose_model import BlazePose, PoseModel
from vibe.tracking.tracker import TrackerConfig

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
    images = np.array(store.images(slice(0, len(store))), object)
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


View = tuple[ndarray, ndarray, ndarray]
"""One picture: places of its crops in the batch, RGB, and their boxes."""
Read = Callable[[Iterator[View]], Iterator[tuple[Int[ndarray, "n"], ndarray]]]
"""Views to places and their evidence, several at a time."""
COLUMNS = {"features": ("features", "has_features"), "keypoints": ("keypoints_px.detected17",)}
"""What each kind of evidence adds to a store; the first holds the numbers."""
MODEL = "pose_landmark_full.tflite"
MOST_LOOKS = 3
"""At one person, to read their keypoints."""


@dataclass(frozen=True)
class ReadOptions:
    """What a worker has to know before its first batch."""

    kind: str
    """features or keypoints."""
    raw: Path
    pictures: Pictures = read_pictures
    weights: Path | None = None
    """Of the image network."""
    device: str = "cpu"


@dataclass(frozen=True)
class CropEvidence:
    """The evidence of one batch."""

    values: Float[ndarray, "crop ..."]
    """Zeros where a picture could not be read."""
    seen: Bool[ndarray, "crop"]
    reason: str
    """Why some could not be; empty if all were."""


def recipe_of(order: ReadOptions) -> dict[str, Any]:
    """What decides the numbers."""
    if order.kind == "keypoints":
        return {"evidence": "keypoints", "model": MODEL, "sha256": assets.sha256(assets.find_model(MODEL))}
    tensors, about = assets.load_weights(order.weights)
    if "conv1.weight" not in tensors:
        raise ValueError(f"{about.name} holds no ResNet-50 that makes features: choose weights that do, as {BACKBONE}")
    about_crops = {"crop": cameras.CROP_SCALE, "batch": BATCH, "device": order.device}
    return {"evidence": "features", "weights": about.name, "sha256": about.sha256, **about_crops}


def begin_reading(order: ReadOptions, _: Worker) -> Callable[[Batch], CropEvidence]:
    """Load the model; gives what reads one batch, on one thread."""
    if order.kind == "keypoints":
        read = partial(_keypoints, BlazePose(assets.find_model(MODEL)))
    else:
        read = partial(_features, Extractor(read_resnet(assets.load_weights(order.weights)[0])).to(order.device))
    return partial(_answer, order, read)


def _answer(order: ReadOptions, read: Read, batch: Batch) -> CropEvidence:
    dtype, shape = column_layout(COLUMNS[order.kind][0])
    values, seen = np.zeros((len(batch.rows), *shape), dtype), np.zeros(len(batch.rows), bool)
    errors: list[str] = []
    with one_thread():
        for places, found in read(_views(order, batch, errors)):
            values[places], seen[places] = found, True
    missing = np.unique(batch.picture[~seen])
    if len(missing) and not errors:
        first = batch.images[missing[0]] if batch.images else f"frame {batch.frames[missing[0]]}"
        errors.append(f"{len(missing)} of {len(batch.frames)} pictures are missing or damaged, the first is {first}")
    return CropEvidence(values, seen, " ".join("; ".join(errors).split()))


def _views(order: ReadOptions, batch: Batch, errors: list[str]) -> Iterator[View]:
    """Each picture that can be read, with its crops; why others can't goes to `errors`."""
    starts = np.searchsorted(batch.picture, np.arange(len(batch.frames) + 1))
    try:
        for place, rgb in order.pictures(order.raw / batch.source, batch.frames, batch.images):
            crops = np.arange(starts[place], starts[place + 1])
            yield crops, rgb, batch.box_px[crops]
    except (ValueError, OSError) as error:
        errors.append(str(error))


def _features(extractor: Extractor, views: Iterator[View]) -> Iterator[tuple[ndarray, ndarray]]:
    """ResNet-50's features, so many crops at a time whichever pictures they are of."""
    crops = (
        (place, crop)
        for places, rgb, box_px in views
        for place, crop in zip(places, cut(rgb, torch.from_numpy(box_px)), strict=True)
    )
    while some := list(islice(crops, BATCH)):
        yield np.array([place for place, _ in some]), extractor(np.stack([crop for _, crop in some])).cpu().numpy()


def _keypoints(model: BlazePose, views: Iterator[View]) -> Iterator[tuple[ndarray, ndarray]]:
    """COCO-17 keypoints of the person in each box."""
    for places, rgb, box_px in views:
        yield places, np.stack([keypoints_in_box(model, rgb, box) for box in box_px])


def keypoints_in_box(
    model: PoseModel, rgb: UInt8[ndarray, "height width 3"], box_px: Float[ndarray, "4"]
) -> Float[ndarray, "17 3"]:
    """The keypoints of the person in a box, the confidences 0 if nobody is there.

    Looks at the box, and again where the body turned out to be, as long as that makes it surer of somebody in there.
    Each picture by itself: that left and right are exchanged in some is not noticed.
    """
    best, most = None, 0.0
    region = model.start(box_px, None)
    for _ in range(MOST_LOOKS):
        seen = model(rgb, region)
        inside = iou(appearance.box_px(seen.keypoints_px)[None], box_px[None])[0, 0]
        sure = float(seen.keypoints_px[:, 2].mean() * inside)
        if best is not None and sure <= most:
            break
        best, most, region = seen, sure, seen.follow
    assert best is not None
    keypoints_px = best.keypoints_px.astype(np.float32)
    keypoints_px[:, 2] *= best.presence >= TrackerConfig().least_presence
    return keypoints_px
