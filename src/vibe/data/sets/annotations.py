"""What reading any set's annotations needs: checked numbers and images, keypoints, boxes and a camera."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import roma
import torch
from jaxtyping import Bool, Float
from numpy import ndarray
from torch import Tensor

from vibe import skeletons
from vibe.assets import pickles
from vibe.body.pose import rest_joints, turn_root
from vibe.body.record import Body
from vibe.cameras import BOX_MARGIN, box_from_keypoints
from vibe.data.recording import Recording
from vibe.errors import damaged

SPLITS = {"train": "train", "val": "validation", "test": "test"}
"""What most sets call their splits, and what we do."""
IMAGES = (".jpg", ".jpeg", ".png")
MOST_FAILURES = 8
"""Of the failures of one file's pieces, in its message."""


def require(raw: Path, layout: str, *names: str) -> None:
    """Raise FileNotFoundError, with the layout, unless a raw folder has these files and folders."""
    for name in names:
        if not (raw / name).exists():
            raise FileNotFoundError(f"there is no {raw / name}: {raw} should hold {layout}")


def find_files(raw: Path, *patterns: str) -> list[Path]:
    """The files of a raw set that match one pattern after the other, those of each sorted, without hidden ones."""
    found = (path for pattern in patterns for path in sorted(raw.glob(pattern)))
    return [path for path in found if path.is_file() and not path.name.startswith(".")]


def check_numbers(values: Any, shape: tuple[int | None, ...], what: str) -> ndarray:
    """Numbers as float64; raises ValueError, which begins with `what`, for another shape (None: any) or for NaN."""
    array = np.asarray(values)
    fits = array.ndim == len(shape) and all(size in (None, its) for size, its in zip(shape, array.shape))
    if not fits or array.dtype.kind not in "biuf":
        wanted = " by ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(
            f"{what} is {array.dtype} of the shape {array.shape}, expected numbers {wanted}: copy it again"
        )
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        row = int((~np.isfinite(array)).reshape(len(array), -1).any(1).argmax())
        raise ValueError(f"{what} holds NaN or infinity, first in row {row}: the annotation is damaged, copy it again")
    return array


def read_annotation_pickle(path: Path, keys: Sequence[str], set_name: str, largest: int) -> dict[Any, Any]:
    """A pickle's dict, nothing of it run; raises OSError, or ValueError beyond `largest` bytes or without the keys."""
    if path.stat().st_size > largest:
        raise ValueError(f"{path} has more than {largest >> 20} MB: no file of {set_name} has")
    with damaged(str(path)):
        content, _ = pickles.read_pickle(path.read_bytes())
    if not isinstance(content, dict) or not set(keys) <= set(content):
        raise ValueError(f"{path} does not hold {', '.join(keys)}: it is no file of {set_name}, copy it again")
    return content


def read_each(readers: Iterable[Callable[[], Recording]]) -> Iterator[Recording]:
    """One recording after the other; what fails costs no other, and is told at the end in one ValueError."""
    failed: list[str] = []
    left = iter(readers)
    while True:
        try:
            recording = next(left)()
        except StopIteration:
            break
        except (ValueError, OSError) as error:
            failed.append(str(error))
            continue
        yield recording
    if failed:
        more = [f"and {len(failed) - MOST_FAILURES} more"] if len(failed) > MOST_FAILURES else []
        raise ValueError("; ".join([*failed[:MOST_FAILURES], *more]))


def image_names(folder: Path) -> list[str]:
    """The images in a folder by name; raises FileNotFoundError without the folder, ValueError if it has none."""
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder of images {folder}: extract the set's images there")
    names = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in IMAGES)
    if not names:
        raise ValueError(f"{folder} holds no image: extract the set's images there")
    return names


def check_images(folder: Path, names: list[str]) -> tuple[str, ...]:
    """The same names; raises ValueError or FileNotFoundError if one of them is not in the folder."""
    missing = sorted(set(names) - set(image_names(folder)))
    if missing:
        raise ValueError(
            f"{folder} lacks {len(missing)} of {len(names)} images that are annotated, such as {missing[0]}: "
            "extract the set's images again"
        )
    return tuple(names)


def shared_frames(annotated: int, seen: int, spare: int, where: Path) -> int:
    """How many frames both annotations and pictures have.

    Sets do annotate a few frames after the pictures' end. Raises ValueError where more than `spare` pictures lack.
    """
    if annotated - seen > spare:
        raise ValueError(
            f"{where} ends after {seen} pictures, {annotated} are annotated: it is cut off or too short, copy it again"
        )
    return min(annotated, seen)


def turned_into_camera(
    T_cam_world: Float[ndarray, "time 4 4"], poses: Float[ndarray, "time 72"], trans: Float[ndarray, "time 3"],
    betas: Float[ndarray, "10"], body: Body,
) -> tuple[Float[Tensor, "time 24 3 3"], Float[Tensor, "time 3"]]:  # fmt: skip
    """SMPL's rotations and translation, turned from the world into the camera's frame by `T_cam_world`.

    SMPL turns a body about its pelvis at its place of rest, so that place is turned along with `trans`.
    """
    R_cam_world, t_cam_world = (torch.from_numpy(part) for part in (T_cam_world[:, :3, :3], T_cam_world[:, :3, 3]))
    pelvis = rest_joints(body, torch.from_numpy(betas))[0]
    rotmat = roma.rotvec_to_rotmat(torch.from_numpy(poses).unflatten(-1, (-1, 3)))
    placed = torch.from_numpy(trans) + pelvis
    return turn_root(R_cam_world, rotmat), (R_cam_world @ placed[..., None])[..., 0] + t_cam_world - pelvis


def boxes_around(keypoints_px: Float[ndarray, "time joint 3"], least: float = 0.3) -> Float[ndarray, "time 4"]:
    """`vibe.cameras.box_from_keypoints` of arrays: centre, width, height of joints of confidence `least` or more."""
    return box_from_keypoints(torch.from_numpy(keypoints_px), least).numpy()


def square_boxes(box_px: Float[ndarray, "time 4"], times: float) -> Float[ndarray, "time 4"]:
    """Squares of so many times the longer side of what the boxes of `boxes_around` are around."""
    side = box_px[:, 2:].max(1, keepdims=True) * times / BOX_MARGIN
    return np.concatenate([box_px[:, :2], side, side], 1)


def to_spin49(points: Float[ndarray, "time joint 3"], joints: str | Sequence[str]) -> Float[ndarray, "time 49 3"]:
    """Joints of that set (`vibe.skeletons.convert_joints`) as those of `spin49`."""
    return skeletons.convert_joints(torch.from_numpy(points.astype(np.float64)), joints, "spin49").numpy()


def all_seen(pixels: Float[ndarray, "time joint 2"]) -> Float[ndarray, "time joint 3"]:
    """x, y and the confidence 1."""
    return np.concatenate([pixels, np.ones_like(pixels[..., :1])], -1)


def interpolate_gaps(
    values: Float[ndarray, "time number"], known: Bool[ndarray, "time"]
) -> Float[ndarray, "time number"]:
    """The rows that are not known as straight lines between those that are, and as the nearest beyond the ends."""
    rows, given = np.arange(len(values)), np.flatnonzero(known)
    return np.stack([np.interp(rows, given, column[given]) for column in values.T], 1)


LEAST_MARKED = 6
"""Joints that must be marked for a box around them to be the person's."""
LEAST_SIDE_PX = 16.0
"""Longer side of a box that can show a person."""
KEYPOINT_RECIPE = {
    "box": f"around the marked joints, {BOX_MARGIN} times as large",
    "least_marked": LEAST_MARKED,
    "least_side_px": LEAST_SIDE_PX,
}
"""What of this decides a store's numbers."""


def with_keypoints(
    recording: Recording, points_px: Float[ndarray, "time joint 3"], joints: str | Sequence[str]
) -> Recording:
    """The recording with keypoints and boxes; frames that show too little of the person are left out, as gaps.

    `points_px` are x, y and confidence of the joints of that set (`vibe.skeletons.convert_joints`). Raises
    ValueError if no frame shows enough.
    """
    seen = np.where(points_px[..., 2:] > 0, points_px, 0)
    boxes = boxes_around(points_px)
    shown = (seen[..., 2] > 0).sum(-1) >= LEAST_MARKED
    rows = np.flatnonzero(shown & (boxes[:, 2:].max(-1) >= LEAST_SIDE_PX))
    if len(rows) == 0:
        raise ValueError(
            f"{recording.name} has no frame in which {LEAST_MARKED} joints or more are marked on a person of "
            f"{LEAST_SIDE_PX:.0f} pixels: there is nobody to learn from"
        )
    images = tuple(recording.images[row] for row in rows) if recording.images else ()
    columns = {"keypoints_px.spin49": to_spin49(seen[rows], joints), "box_px": boxes[rows]}
    return replace(recording, frames=recording.frames[rows], images=images, columns=columns)


WORST_PX = 10.0
"""Root mean square of what is left, above which the points and the pixels are not of one camera."""


def fit_intrinsics(points: Float[ndarray, "*b 3"], pixels: Float[ndarray, "*b 2"]) -> Float[ndarray, "3 3"] | None:
    """Focal lengths and principal point by least squares, pixels; None if no pinhole camera without skew fits.

    Points behind the camera, and what is NaN, are passed over. Where the lens distorts, this pinhole comes nearer to
    the pixels than the lens's own focal length does.
    """
    points, pixels = points.reshape(-1, 3), pixels.reshape(-1, 2)
    seen = np.isfinite(points).all(1) & np.isfinite(pixels).all(1) & (points[:, 2] > 0)
    if seen.sum() < 3:
        return None
    rays, pixels = points[seen, :2] / points[seen, 2:], pixels[seen]
    K_px, left = np.eye(3), 0.0
    for axis in (0, 1):
        system = np.stack([rays[:, axis], np.ones(len(rays))], 1)
        found = np.linalg.lstsq(system, pixels[:, axis], rcond=None)[0]
        left += float(((system @ found - pixels[:, axis]) ** 2).mean())
        K_px[axis, axis], K_px[axis, 2] = found
    return K_px if left**0.5 <= WORST_PX and K_px[0, 0] > 0 and K_px[1, 1] > 0 else None
