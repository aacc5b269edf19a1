"""Through which lens a video was taken: as somebody calibrated it or says, as its file says, or as most are."""

from __future__ import annotations

import math
from dataclasses import replace

from vibe import cameras
from vibe.inference.config import EstimatorConfig
from vibe.records import Background, Camera, Clip, Lens


def find_lens(config: EstimatorConfig, clip: Clip, background: Background | None = None) -> Lens:
    """What is known of a clip's camera: the first that there is of --camera, --fov, file, background and default.

    A note says it where the focal length is not sure. Raises OSError or ValueError for a calibration that does not fit.
    """
    if config.camera_file is not None:
        from vibe.calibration import calibrated_lens

        return calibrated_lens(config.camera_file, clip.path, clip.width, clip.height)
    if config.fov_deg is not None:
        return Lens(cameras.default_camera(clip.width, clip.height, config.fov_deg))
    return _of_file(clip) or _of_background(clip, background) or _default(clip)


def _of_file(clip: Clip) -> Lens | None:
    """What the camera wrote into the video's or the photo's file."""
    from vibe.video.lens import file_focal_px

    told = file_focal_px(clip.path, clip.width, clip.height)
    if told is None:
        return None
    focal_px, remark = told
    return Lens(_camera(clip, focal_px, "file"), (remark,) if remark else ())


def _of_background(clip: Clip, background: Background | None) -> Lens | None:
    """What the background tells of the lens where the camera turned or travelled before it.

    A pan that is not clear may be of a camera that travels, which has the last word.
    """
    if background is None:
        return None
    from vibe.world.focal import TRAVEL_FLOOR, focal_from_pan, focal_from_travel

    size = clip.width, clip.height
    told, source = focal_from_pan(background, size), "pan"
    if told is None or told[1] > TRAVEL_FLOOR * told[0]:
        travelled = focal_from_travel(background, size)
        told, source = (travelled, "travel") if travelled else (told, source)
    if told is None:
        return None
    focal_px, error_px = told
    camera = _camera(clip, focal_px, source)
    fov_deg = cameras.angle_of_view(camera)
    note = f"the lens was read off {cameras.LENS_SOURCES[source]}: an angle of view of {fov_deg:.1f} degrees"
    return Lens(camera, (f"{note}, the focal length to {error_px / focal_px:.0%}",))


def _camera(clip: Clip, focal_px: float, source: str) -> Camera:
    fov_deg = cameras.fov_from_focal(focal_px, math.hypot(clip.width, clip.height))
    return replace(cameras.default_camera(clip.width, clip.height, fov_deg), source=source)


def _default(clip: Clip) -> Lens:
    """What most lenses are near to, with a note."""
    note = f"the lens is not known: {cameras.LENS_SOURCES['default']} was taken; give --fov or --camera"
    return Lens(cameras.default_camera(clip.width, clip.height), (note,))
