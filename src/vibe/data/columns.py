"""Evidence added to a finished store: features or 2D keypoints of every row's crop; goes on where it was killed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
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
from vibe.assets.paths import only_writer
from vibe.assets.weights import BACKBONE
from vibe.data.pictures import read_pictures
from vibe.data.prepare import dropped_message
from vibe.data.recording import Pictures, column_layout, fitted_columns
from vibe.data.store import MANIFEST, Store, described, open_store, read_manifest
from vibe.errors import check_same
from vibe.features.extractor import BATCH, Extractor, cut
from vibe.features.resnet import read_resnet
from vibe.parallel import Worker, one_thread, run_tasks
from vibe.records import Progress
from vibe.tracking import appearance
from vibe.tracking.active_track import TrackerConfig
from vibe.tracking.detector import iou
from vibe.tracking.pose_model import BlazePose, PoseModel

PICTURES = 512
"""Of one batch: what is lost where a worker dies."""
PARTS = 8
"""At most so many batches of one video, since each reads it from its beginning."""
View = tuple[ndarray, ndarray, ndarray]
"""One picture: places of its crops in the batch, RGB, and their boxes."""
Read = Callable[[Iterator[View]], Iterator[tuple[Int[ndarray, "n"], ndarray]]]
"""Views to places and their evidence, several at a time."""
COLUMNS = {"features": ("features", "has_features"), "keypoints": ("keypoints_px.detected17",)}
"""What each kind of evidence adds to a store; the first holds the numbers."""
MODEL = "pose_landmark_full.tflite"
MOST_LOOKS = 3
"""At one person, to read their keypoints."""


class ColumnWriter:
    """Adds one column to a finished store, rows in any order; a second run does only the rows that are missing.

    The column is in the store once `finish` has run. Several processes may write different rows at the same time.
    Raises ValueError if the column was begun or made by another recipe.
    """

    def __init__(self, folder: Path, name: str, recipe: Mapping[str, Any]) -> None:
        """`recipe` says what the column is made with, in plain values."""
        self.folder, self.name = Path(folder), name
        self._partial, self._marks, self._note = (
            self.folder / f".{name}.{end}" for end in ("npy.part", "done.npy", "json")
        )
        self._recipe = json.loads(json.dumps(dict(recipe)))
        manifest = read_manifest(self.folder)
        self._rows = int(manifest["rows"])
        self._values: ndarray | None = None
        self._done: ndarray = np.ones(self._rows, bool)
        self.finished = name in manifest["columns"]
        """Whether the column is in the store."""
        begun = json.loads(self._note.read_text(encoding="utf-8")) if self._note.exists() else None
        its = manifest["columns"][name].get("recipe") if self.finished else begun
        if its is not None:
            check_same(f"{self.folder}: {name}", its, self._recipe, "recipe")
        if self.finished:
            return
        if begun is None:  # the note comes last and says that the files are there, in their full size
            dtype, shape = column_layout(name)
            for path, kind, sizes in ((self._partial, dtype, shape), (self._marks, "bool", ())):
                np.lib.format.open_memmap(path, "w+", np.dtype(kind), (self._rows, *sizes)).flush()
            assets.write_whole(self._note, json.dumps(self._recipe).encode())
        if self._partial.exists():
            self._values = np.load(self._partial, mmap_mode="r+", allow_pickle=False)
            self._done = np.load(self._marks, mmap_mode="r+", allow_pickle=False)

    def done(self) -> Bool[ndarray, "row"]:
        """Which rows are written."""
        return np.array(self._done)

    def leave(self, rows: Bool[ndarray, "row"]) -> None:
        """These rows stay zeros."""
        self._done[rows] = True

    def write(self, rows: Int[ndarray, "n"], values: ndarray) -> None:
        """These rows; raises ValueError if they hold NaN or do not fit."""
        assert self._values is not None
        self._values[rows] = fitted_columns(values, self.name, len(rows), str(self.folder))
        self._done[rows] = True

    def finish(self) -> None:
        """Make the column part of the store; raises ValueError if rows are missing."""
        if missing := self._rows - int(np.count_nonzero(self._done)):
            raise ValueError(f"{self.folder}: {missing} rows of {self.name} are not written yet")
        if isinstance(self._values, np.memmap):
            self._values.flush()
            self._values, self._done = None, self.done()
            self._partial.replace(self.folder / f"{self.name}.npy")
        if not self.finished:
            manifest = read_manifest(self.folder)
            manifest["columns"][self.name] = described(self.name) | {"recipe": self._recipe}
            assets.write_whole(self.folder / MANIFEST, json.dumps(manifest, indent=1).encode())
        for left in (self._note, self._marks):
            left.unlink(missing_ok=True)
        self.finished = True


@dataclass(frozen=True)
class AddedColumns:
    """What became of a store's rows."""

    rows: int
    """With evidence."""
    without: int
    """Rows of no picture or no box, for which nothing can be read."""
    dropped: Mapping[str, str]
    """Recordings of which pictures could not be read: how many, and why if this run tried."""


def add_evidence(
    folder: Path,
    order: ReadOptions,
    workers: int = 0,
    ray: str | None = None,
    strict: bool = False,
    progress: Progress | None = None,
) -> AddedColumns:
    """Add a kind of evidence to a finished store; goes on where it was killed.

    The batches, and each one's numbers, are the same however many workers `run_tasks` has. What can't be read gets
    zeros, or with `strict` is a ValueError at the end and tried again by the next run. Raises FileNotFoundError for a
    missing store, raw folder or model, ValueError if the store has no boxes or such evidence of another model, OSError
    if another run is at work in the store.
    """
    store = open_store(folder)
    if not order.raw.is_dir():
        raise FileNotFoundError(f"{order.raw} is not there: give the raw folder that {folder} was prepared from")
    reasons: dict[str, str] = {}
    names = COLUMNS[order.kind]
    with nullcontext() if set(names) <= set(store.columns) else only_writer(folder):
        for name in names:
            if name in store.columns and "recipe" not in store.manifest["columns"][name]:
                raise ValueError(f"{store.folder} came with {name} of its own: there is nothing to add")
        recipe, wanted = recipe_of(order), rows_with_pictures(store)
        writers = [ColumnWriter(store.folder, name, recipe) for name in names]
        if not all(writer.finished for writer in writers):
            for writer in writers:
                writer.leave(~wanted)
            done = np.all([writer.done() for writer in writers], axis=0)
            batches = [batch for batch in cut_batches(store) if not done[batch.rows].all()]
            begin, gpus = partial(begin_reading, order), float(order.device.startswith("cuda"))
            rows, all_rows = 0, sum(len(batch.rows) for batch in batches)
            if progress:
                progress(order.kind, 0, all_rows)
            for number, answer in run_tasks(begin, batches, workers=workers, ray=ray, gpus=gpus) if batches else ():
                if answer.reason:
                    reasons[batches[number].source] = answer.reason
                for writer in () if strict and answer.reason else writers:
                    if not writer.finished:
                        is_mask = column_layout(writer.name)[0] == "bool"
                        writer.write(batches[number].rows, answer.seen if is_mask else answer.values)
                rows += len(batches[number].rows)
                if progress:
                    progress(order.kind, rows, all_rows)
            if strict and reasons:
                raise ValueError(dropped_message(reasons))
            for writer in writers:
                writer.finish()
        added = _report(open_store(store.folder), order, wanted, reasons)
    if strict and added.dropped:
        raise ValueError(dropped_message(added.dropped))
    return added


def _report(store: Store, order: ReadOptions, wanted: Bool[ndarray, "row"], reasons: Mapping[str, str]) -> AddedColumns:
    values = store.column(COLUMNS[order.kind][-1])
    within = tuple(range(1, values.ndim))
    dropped, all_lost = {}, 0
    for sequence in store.sequences:
        rows = np.arange(sequence.start, sequence.stop)[wanted[sequence.rows]]
        if lost := len(rows) - int(np.count_nonzero(values[rows].any(within))):
            why = f" ({reasons[sequence.source]})" if sequence.source in reasons else ""
            dropped[sequence.name] = f"{lost} of {len(rows)} frames have no {order.kind}{why}"
            all_lost += lost
    return AddedColumns(int(np.count_nonzero(wanted)) - all_lost, int(np.count_nonzero(~wanted)), dropped)


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
