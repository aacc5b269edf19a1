"""Several cameras before the same people as arrays of a motion.npz, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy import ndarray

from vibe.records import Camera, Clip, View


def view_arrays(views: Sequence[View]) -> dict[str, ndarray]:
    """What a file holds of several cameras; how their lenses bend is not in it."""
    return {
        "views/video": np.array([str(view.clip.path) for view in views], np.str_),
        "views/K": np.stack([view.camera.K_px for view in views]),
        "views/size": np.array([[view.clip.width, view.clip.height] for view in views]),
        "views/R_view_ref": np.stack([view.R_view_ref for view in views]),
        "views/t_view_ref": np.stack([view.t_view_ref for view in views]),
        "views/offset_s": np.array([view.offset_s for view in views]),
        "views/fps": np.array([view.clip.fps for view in views]),
        "views/frames": np.array([len(view.clip.timestamps) for view in views]),
        "views/timestamps": np.concatenate([view.clip.timestamps for view in views]),
    }


def read_views(head: Mapping[str, ndarray]) -> tuple[View, ...]:
    """The cameras of a file whose arrays are checked; none where it has one alone."""
    if "views/K" not in head:
        return ()
    found, ends = [], np.cumsum(head["views/frames"])
    for row, video in enumerate(head["views/video"].tolist()):
        K_px, (width, height) = head["views/K"][row], head["views/size"][row].tolist()
        place = head["views/R_view_ref"][row], head["views/t_view_ref"][row]
        stamps = head["views/timestamps"][ends[row] - head["views/frames"][row] : ends[row]]
        clip = Clip(Path(video), float(head["views/fps"][row]), width, height, stamps, damaged=0)
        found.append(View(clip, Camera(K_px, width, height), *place, float(head["views/offset_s"][row])))
    return tuple(found)
