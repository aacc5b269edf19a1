"""The whole method on one screen: video, people, evidence, network, body, refinement, result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from vibe import cameras
from vibe.body.record import Body
from vibe.cache import StageCache, content_key, key
from vibe.features.video_features import VideoFeatures
from vibe.inference.config import MIXTURE, Method, Runtime, Smooth, settle
from vibe.inference.network import Network
from vibe.inference.pages import Pages
from vibe.inference.predict import feature_answers, in_eight_bits, keypoint_answers, timeline
from vibe.inference.refine import finish_all
from vibe.inference.track import track_people
from vibe.motion import Result
from vibe.records import Camera, Clip, Progress, Track
from vibe.tracking.detector import Detector
from vibe.tracking.pose_model import PoseModel
from vibe.video import open_video


def estimate(
    path: Path | str,
    *,
    smoothing: Smooth | None = None,
    refine: bool | None = None,
    fitting: Literal["open", "paper"] = "open",
    prior: Path | str = MIXTURE,
    fov_deg: float | None = None,
    body: Path | str | None = None,
    weights: Path | str | None = None,
    runtime: Runtime = "torch",
    int8: bool = False,
    device: str | None = None,
    detector: Detector | None = None,
    pose_model: PoseModel | None = None,
    progress: Progress | None = None,
) -> Result:
    """Everyone's motion in a video, in the camera's frame.

        import vibe

        result = vibe.estimate("dance.mp4")
        result.save("motion.npz")

    `smoothing` and `refine` choose what follows the network, `fitting` by which recipe it is refined; where they are
    None, keypoint evidence is refined and smoothed lightly, and what the paper's networks say of pictures stays as it
    is. `prior` judges poses in the paper's fit: mixture, mposer, vposer or a file of one. `fov_deg` is the angle of
    view across the picture's diagonal where it is known; `body` is open, smpl, smpl-male, smpl-female or a file, by
    default the one whose shapes the weights know, if it is here. `runtime` computes the features of pictures; `int8`
    makes it faster and less exact, which a note measures, and needs one of the last two.
    Raises FileNotFoundError or ValueError for what is not a video, body or weights, OSError where it cannot be read,
    ImportError for a runtime that is not installed.
    """
    method = settle(
        smoothing=smoothing, refine=refine, fitting=fitting, prior=prior, fov_deg=fov_deg, body=body, weights=weights,
        runtime=runtime, int8=int8, device=device, detector=detector, pose_model=pose_model,
    )  # fmt: skip
    return run(path, method, progress=progress)


def run(path: Path | str, method: Method, stages: Path | None = None, progress: Progress | None = None) -> Result:
    """Everyone's motion in a video by a method that is settled; errors as of `estimate`.

    `stages` is a folder in which each stage's results are kept, piece by piece, and looked for first (docs/stages.md):
    a run that was killed goes on where it was, and one with other settings computes only what depends on them.
    """
    path = Path(path)
    with StageCache(*_kept(path, method, stages)) as shelf:
        clip, tracks, notes = track_people(path, method.detector, method.pose_model, shelf, progress)
        camera = cameras.default_camera(clip.width, clip.height, method.fov_deg)
        network, remarks = with_extractor(method, clip, tracks, shelf)
        readings = list(predict_tracks(network, clip, tracks, camera, method.body, progress, shelf))
        people = finish_all(tracks, readings, clip, camera, method, shelf, progress)
        notes = (*notes, *method.remarks, *remarks, *shelf.notes)
        return Result(clip, camera, people, method.body.origin, network.about, notes)


def keys(content: str, method: Method) -> dict[str, str]:
    """What each stage's result depends on, in their order: its own settings and the stage before, down to the video.

    `content` is the video's `vibe.cache.content_key`. Two results whose key is the same are the same.
    """
    found, before = {}, content
    for stage, settings in method.settings().items():
        found[stage] = before = key(stage, before, settings)
    return found


def with_extractor(method: Method, clip: Clip, tracks: Sequence[Track], shelf: StageCache) -> tuple[Network, list[str]]:
    """The network with the image network that this video is read by, and how far that is off in 8 bits."""
    if not method.int8:
        return method.network, []
    made = cache(partial(in_eight_bits, method.network, clip, tracks, method.runtime))
    _, about = shelf.load("evidence", "about") or ({}, {})
    if "remarks" not in about:
        shelf.save("evidence", "about", {}, {"remarks": made()[1]})
    remarks = about.get("remarks") or made()[1]

    def extractor(crops: Any) -> Tensor:
        reader = made()[0].extractor
        assert reader is not None, "settled for pictures"
        return reader(crops)

    return replace(method.network, extractor=extractor), remarks


def predict_tracks(
    network: Network, clip: Clip, tracks: Sequence[Track], camera: Camera, body: Body, progress: Progress | None,
    shelf: StageCache | None = None,
) -> Iterator[Pages]:  # fmt: skip
    """What the network says of everybody: of their keypoints, or of their pictures in a second pass over the video."""
    shelf = shelf or StageCache(None, {})
    evidence = network.extractor and VideoFeatures(shelf, clip, tracks, network.extractor, progress)
    for person, track in enumerate(tracks):
        times = clip.timestamps[track.frames]
        line = timeline(times, network)
        if evidence:
            of_pictures = partial(feature_answers, track, line, camera, network, partial(evidence.of, person), body)
            yield Pages(shelf, person, line, of_pictures)
        else:
            yield Pages(shelf, person, line, partial(keypoint_answers, track, times, line, camera, network, body))


def _kept(path: Path, method: Method, stages: Path | None) -> tuple[Path | None, dict[str, str]]:
    """Where the stages of a video are kept, and under which keys; nowhere without a folder, and of what is no file."""
    if stages is None or (path.exists() and not path.is_file()):
        return None, {}
    try:
        return stages, keys(content_key(path), method)
    except OSError:
        open_video(path).close()
        raise
