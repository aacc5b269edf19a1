"""Through which lens a video was taken: as somebody calibrated it or says, as its file says, or as most are."""

from __future__ import annotations

import math
from dataclasses import replace

from vibe import cameras
from vibe.inference.config import EstimatorConfig
from vibe.records import Clip, Lens


def find_lens(config: EstimatorConfig, clip: Clip) -> Lens:
    """What is known of a clip's camera: of --camera, --fov, the file and the default the first that there is.

    A note says it where the focal length is not sure. Raises OSError or ValueError for a calibration that does not fit.
    """
    if config.camera_file is not None:
        from vibe.calibration import calibrated_lens

        return calibrated_lens(config.camera_file, clip.path, clip.width, clip.height)
    if config.fov_deg is not None:
        return Lens(cameras.default_camera(clip.width, clip.height, config.fov_deg))
    return _of_file(clip) or _default(clip)


def _of_file(clip: Clip) -> Lens | None:
    """What the camera wrote into the video's or the photo's file."""
    from vibe.video.lens import file_focal_px

    told = file_focal_px(clip.path, clip.width, clip.height)
    if told is None:
        return None
    focal_px, remark = told
    fov_deg = math.degrees(2 * math.atan(math.hypot(clip.width, clip.height) / (2 * focal_px)))
    camera = replace(cameras.default_camera(clip.width, clip.height, fov_deg), source="file")
    return Lens(camera, (remark,) if remark else ())


def _default(clip: Clip) -> Lens:
    """What most lenses are near to, with a note."""
    note = f"the lens is not known: {cameras.LENS_SOURCES['default']} was taken; give --fov or --camera"
    return Lens(cameras.default_camera(clip.width, clip.height), (note,))
