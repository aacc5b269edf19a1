"""InstaVariety: videos of people with OpenPose's keypoints, as the shards that go with Learning 3D Human Dynamics.

Their pictures stay in the shards and are decoded when they are asked for: the image `BYTE#N` of a recording is the
N-th picture of the record that begins at that byte of the shard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray

from vibe import skeletons
from vibe.cameras import CROP_SCALE
from vibe.data.pictures import decode_picture
from vibe.data.recording import RawJob, RawSet, Recording
from vibe.data.sets.raw_checks import checked, each
from vibe.data.sets.tfrecord import read_example, read_record, read_records

LAYOUT = "train/*.tfrecord, and test/*.tfrecord if there are any"
FPS = 25.0
"""Assumed: the set does not tell."""
SPLITS = {"train": "train", "val": "validation", "test": "test"}
PICTURES = "image/encoded"
COUNT, VISIBLE, SCALED = "meta/N", "image/visibilities", "image/phis"
POINTS = {"image/xys": (2, 14), "image/face_pts": (3, 5), "image/toe_pts": (3, 6)}
"""Rows (x, y, and confidence but for the first) and joints of each group, which together are `insta25`."""


def insta_variety_jobs(raw: Path) -> Iterator[RawJob]:
    """A job for each shard; raises FileNotFoundError if there is none."""
    paths = _shards(raw)
    if not paths:
        raise FileNotFoundError(f"{raw} has no shards of InstaVariety, which lie there as {LAYOUT}")
    for path in paths:
        yield RawJob(f"{path.parent.name}/{path.stem}", partial(read_insta_variety, path))


def read_insta_variety(path: Path) -> Iterator[Recording]:
    """The people of one shard, each in a video of their own; raises ValueError, at the end where it can."""
    yield from each(_people(path))


def pictures(
    path: Path, frames: Sequence[int], images: Sequence[str]
) -> Iterator[tuple[int, UInt8[ndarray, "height width 3"]]]:
    """The wanted pictures of a shard with their places in `images`; see `vibe.data.recording.Pictures`."""
    record, encoded, found, reason = -1, [], False, "it holds no JPEG image there"
    for place, (byte, number) in enumerate(image.split("#") for image in images):
        if record != int(byte):
            record = int(byte)
            try:
                encoded = _pictures(read_example(read_record(path, record), {PICTURES}))
            except ValueError as error:
                encoded, reason = [], str(error)
        rgb = decode_picture(encoded[int(number)]) if int(number) < len(encoded) else None
        if rgb is not None:
            found = True
            yield place, rgb
    if images and not found:
        raise ValueError(f"{path} gives none of {len(images)} pictures: {reason}")


def _people(path: Path) -> Iterator[Callable[[], Recording]]:
    """What reads each record; where the shard is cut off, the last one raises that."""
    try:
        for number, (place, content) in enumerate(read_records(path)):
            yield partial(_person, path, number, place, content)
    except ValueError as error:
        yield partial(_refuse, str(error))


def _refuse(reason: str) -> Recording:
    raise ValueError(reason)


def _person(path: Path, number: int, place: int, content: bytes | None) -> Recording:
    """What a record says of its person; raises ValueError."""
    name = f"{path.parent.name}/{path.stem}/{number}"
    if content is None:
        raise ValueError(f"{name} is damaged: the checksum of its record at byte {place} is wrong")
    try:
        found = read_example(content, {PICTURES, COUNT, VISIBLE, SCALED, *POINTS})
    except ValueError as error:
        raise ValueError(f"{name} at byte {place} is {error}") from error
    if missing := sorted({PICTURES, COUNT, VISIBLE, "image/xys", "image/face_pts"} - found.keys()):
        raise ValueError(f"{name} has no {', '.join(missing)}: it is no record of InstaVariety")
    encoded = _pictures(found)
    first = decode_picture(encoded[0]) if encoded else None
    count = int(checked(found[COUNT], (1,), f"{name}: {COUNT}")[0])
    if first is None or len(encoded) != count or count < 1:
        raise ValueError(f"{name} has {len(encoded)} images for {count} frames, or what is no JPEG: it is left out")
    height, width = first.shape[:2]
    points = _points(found, count, name)
    if len(found.get(SCALED, ())):
        points[..., :2] = (points[..., :2] + 1) / 2 * (width, height)
    known = torch.from_numpy(np.where(points[..., 2:] > 0, points, 0))
    box_px = np.array([width / 2, height / 2, width / CROP_SCALE, height / CROP_SCALE])
    return Recording(
        name, np.arange(count), FPS, split=SPLITS[path.parent.name], source=f"{path.parent.name}/{path.name}",
        images=tuple(f"{place}#{frame}" for frame in range(count)), box_px=np.tile(box_px, (count, 1)),
        keypoints_px={"spin49": skeletons.convert_joints(known, "insta25", "spin49").numpy()},
    )  # fmt: skip


def _points(found: dict[str, list[bytes] | ndarray], count: int, name: str) -> Float[ndarray, "{count} 25 3"]:
    """The joints as `insta25`: x, y, confidence."""
    groups = []
    for feature, (rows, joints) in POINTS.items():
        values = found.get(feature, ())
        if feature == "image/toe_pts" and len(values) == 0:
            values = np.zeros(count * rows * joints)
        groups.append(checked(values, (count * rows * joints,), f"{name}: {feature}").reshape(count, rows, joints))
    visible = checked(found[VISIBLE], (count * 14,), f"{name}: {VISIBLE}").reshape(count, 1, 14)
    groups[0] = np.concatenate([groups[0], visible > 0], 1)
    return np.concatenate(groups, 2).transpose(0, 2, 1)


def _pictures(found: dict[str, list[bytes] | ndarray]) -> list[bytes]:
    """The files of an example's pictures; none if it has none."""
    encoded = found.get(PICTURES)
    return encoded if isinstance(encoded, list) else []


def _shards(raw: Path) -> list[Path]:
    found = [path for split in SPLITS for path in sorted((raw / split).glob("*.tfrecord"))]
    return [path for path in found if not path.name.startswith(".")]


INSTA_VARIETY = RawSet(
    title="InstaVariety",
    licence="InstaVariety: for research; the videos belong to those who put them on Instagram.",
    layout=LAYOUT,
    jobs=insta_variety_jobs,
    sources=_shards,
    recipe={"box": "its crop is the whole picture", "fps": FPS, "confidence": "1 if OpenPose saw it, else 0"},
    pictures=pictures,
)
