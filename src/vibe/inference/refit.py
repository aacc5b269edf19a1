"""A motion solved again with corrections by hand, from the tracks that were kept of its video: nobody is looked for."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vibe.cache import StageCache, content_key
from vibe.edits.apply import OF_THE_WORLD, apply_edits
from vibe.edits.record import Edit, EditedVideo
from vibe.errors import Misuse
from vibe.inference.config import EstimatorConfig
from vibe.inference.estimate import Estimator
from vibe.inference.lens import find_lens
from vibe.inference.track import Tracking, kept_tracks
from vibe.models.network import Network
from vibe.motion import Result
from vibe.records import Camera, Progress, Track


@dataclass(frozen=True)
class Refit:
    """All that corrections of one motion need; only who is concerned by them is solved again."""

    estimator: Estimator
    video: EditedVideo
    found: Tracking
    stages: StageCache

    def solve(self, edits: Sequence[Edit], progress: Progress | None = None) -> Result:
        """The motion with these corrections; raises ValueError for some that do not fit.

        Who is as they were followed is looked for in the stages under their number, others under what they are now: one
        more correction has only those solved again whom it concerns.
        """
        method, found = self.estimator, self.found
        _check(edits, method.config, method.network)
        whole = apply_edits(found.tracks, found.clip.timestamps, edits)
        camera = find_lens(method.config, found.clip).camera if whole.still else None
        names = _names(found.tracks, [one.track for one in whole.people], camera)
        result = method.solve(found, self.stages, progress, whole, names)
        people = tuple(replace(motion, name=one.name) for motion, one in zip(result, whole.people, strict=True))
        notes = (*result.notes, *([f"{len(edits)} correction{'s' * (len(edits) > 1)} by hand"] if edits else []))
        return replace(result, people=people, notes=notes)


def open_refit(
    result: Result, video: Path, estimator: Estimator, folder: Path, progress: Progress | None = None,
    anew: bool = False,
) -> Refit:  # fmt: skip
    """What corrects the motion of a video whose stages are kept in a folder.

    Where its tracks are not kept there people are followed `anew`, or FileNotFoundError says so. Raises ValueError for
    another video, and for the motion of several.
    """
    if result.views:
        raise ValueError("the motion was estimated from several videos: what cameras saw together can't be corrected")
    content, clip = content_key(video), result.clip
    stages = StageCache(folder, estimator.config.keys(content))
    found = kept_tracks(video, stages)
    if found is None and not anew:
        raise FileNotFoundError(
            f"where people are in {video.name} is not kept in {folder}: run `vibe estimate {video.name} --keep-stages` "
            "with the motion's options and folder once"
        )
    if found is None:
        found = estimator.track(video, stages, progress)
    its = found.clip
    if (len(its.timestamps), its.width, its.height) != (len(clip.timestamps), clip.width, clip.height):
        raise Misuse(f"{video} is another video than the motion's: give the one that it was made from")
    mark = EditedVideo(content, len(its.timestamps), its.width, its.height)
    return Refit(estimator, mark, found, stages)


def _check(edits: Sequence[Edit], config: EstimatorConfig, network: Network) -> None:
    """Raises ValueError for corrections that cannot be made with these weights or options."""
    if edits and network.evidence == "images":
        raise ValueError(f"the weights {network.about.name} read pictures, in which nothing can be corrected by hand")
    for number, edit in enumerate(edits, start=1):
        if edit.kind in OF_THE_WORLD and not config.world:
            raise ValueError(f"edit {number}, {edit.kind}, is of the world: leave --no-world out")


def _names(before: Sequence[Track], after: Sequence[Track], camera: Camera | None) -> list[int | str]:
    """Under what each track's results are kept: its number, or what tells it apart where it or the camera is another.

    `camera` is the one that is not the stages' own.
    """
    names: list[int | str] = []
    for track in after:
        same = [number for number, each in enumerate(before) if each is track and camera is None]
        digest = hashlib.sha256(camera.K_px.numpy().tobytes() if camera else b"")
        for array in vars(track).values():
            digest.update(b"none" if array is None else array.numpy().tobytes())
        names.append(same[0] if same else digest.hexdigest()[:32])
    return names
