"""A motion solved again with corrections by hand, from the tracks that were kept: nobody is looked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor

from vibe.cache import StageCache, content_key
from vibe.edits.apply import OF_THE_WORLD, apply_edits
from vibe.edits.record import Corrected, CorrectedPerson, Edit, EditedVideo
from vibe.errors import Misuse
from vibe.inference.config import EstimatorConfig
from vibe.inference.estimate import Estimator
from vibe.inference.joint_people import JointPerson, join_person, said_of
from vibe.inference.lens import find_lens
from vibe.inference.together import JoinedViews, evidence_key, joint_content, joint_stages, view_records
from vibe.inference.track import Tracking, kept_tracks
from vibe.models.keypoint_embedding import detected_points
from vibe.models.network import Network
from vibe.motion import Result
from vibe.records import Camera, Clip, Progress, Track, View
from vibe.skeletons import DETECTED27

SAME = 5e-3
"""By so much cameras of the same videos may come out apart: clocks in seconds, rotations in radians, focal lengths and
distances as a share of them."""


@dataclass(frozen=True)
class Refit:
    """All that corrections of one motion need; only who is concerned by them is solved again."""

    estimator: Estimator
    video: EditedVideo
    found: Tracking
    stages: StageCache

    @property
    def clips(self) -> list[Clip]:
        """The video's, as of several videos each one's."""
        return [self.found.clip]

    def points_px(self, edits: Sequence[Edit]) -> list[list[Float[ndarray, "_ 27 2"]]]:
        """Of everybody where `DETECTED27` are in the video, after corrections; row by row of the motion."""
        return [[_points_px(one.track)] for one in self._corrected(edits).people]

    def _corrected(self, edits: Sequence[Edit]) -> Corrected:
        (whole,) = apply_edits([Corrected.of(self.found.tracks, self.found.clip.timestamps)], edits)
        return whole

    def solve(self, edits: Sequence[Edit], progress: Progress | None = None) -> Result:
        """The motion with these corrections; raises ValueError for some that do not fit.

        Who is as they were followed is looked for in the stages under their number, others under what they are now: one
        more correction has only those solved again whom it concerns.
        """
        method, found = self.estimator, self.found
        _check(edits, method.config, method.network)
        whole = self._corrected(edits)
        camera = find_lens(method.config, found.clip).camera if whole.still else None
        names = _names(found.tracks, [one.track for one in whole.people], camera)
        result = method.solve(found, self.stages, progress, whole, names)
        people = tuple(replace(motion, name=one.name) for motion, one in zip(result, whole.people, strict=True))
        return replace(result, people=people, notes=(*result.notes, *_note(edits)))


@dataclass(frozen=True)
class JointRefit:
    """The same of the motion of several videos together.

    Cameras and clocks stay as they were found without corrections.
    """

    estimator: Estimator
    video: EditedVideo
    joined: JoinedViews
    stages: StageCache

    @property
    def clips(self) -> list[Clip]:
        """Those of all videos."""
        return [view.clip for view in self.joined.views]

    def solve(self, edits: Sequence[Edit], progress: Progress | None = None) -> Result:
        """The motion with these corrections; raises ValueError for some that do not fit."""
        _check(edits, self.estimator.config, self.estimator.network)
        people = self._people(self._corrected(edits))
        motions = self.estimator.solve_together(
            self.joined, [who for who, _ in people], self.stages, progress, [said for _, said in people]
        )
        named = tuple(replace(motion, name=said.name) for motion, (_, said) in zip(motions, people, strict=True))
        return replace(motions, people=named, notes=(*motions.notes, *_note(edits)))

    def points_px(self, edits: Sequence[Edit]) -> list[list[Float[ndarray, "_ 27 2"]]]:
        """Of everybody where `DETECTED27` are in each video at the motion's moments; 0 where it does not see them."""
        people, found = self._people(self._corrected(edits)), []
        for who, said in people:
            times = self.clips[0].timestamps[said.track.frames]
            found.append([self._points_px(who, view, times) for view in range(len(self.clips))])
        return found

    def _points_px(self, who: JointPerson, view: int, times: Float[Tensor, "time"]) -> Float[ndarray, "time 27 2"]:
        if view not in who.seen:
            return np.zeros((len(times), len(DETECTED27), 2), np.float32)
        track = who.seen[view][0]
        rows, near = self._nearest(track, view, times)
        return _points_px(track)[rows] * near[:, None, None]

    def _nearest(
        self, track: Track, view: int, times: Float[Tensor, "time"]
    ) -> tuple[Int[ndarray, "time"], Bool[ndarray, "time"]]:
        """Rows of a track in a view that are nearest to times of the first one, and whether it has their frame."""
        clip, offset_s = self.clips[view], self.joined.cameras[view].offset_s
        stamps = clip.timestamps.numpy() - offset_s
        middles = (stamps[1:] + stamps[:-1]) / 2
        frames = np.searchsorted(middles, times.numpy())
        during = abs(stamps[frames] - times.numpy()) < 2 / clip.fps
        rows = np.searchsorted(track.frames.numpy(), frames).clip(max=len(track.frames) - 1)
        return rows, (track.frames.numpy()[rows] == frames) & during

    def _corrected(self, edits: Sequence[Edit]) -> tuple[Corrected, ...]:
        """Everybody in each video, after corrections."""
        videos = []
        for place, (view, camera) in enumerate(zip(self.joined.views, self.joined.cameras, strict=True)):
            nobody = view.tracks[0]
            nobody = Track(*(None if part is None else part[:0] for part in vars(nobody).values()))
            tracks = [who.seen[place][0] if place in who.seen else nobody for who in self.joined.people]
            videos.append(Corrected.of(tracks, view.clip.timestamps, camera.offset_s))
        return apply_edits(videos, edits)

    def _people(self, videos: Sequence[Corrected]) -> list[tuple[JointPerson, CorrectedPerson]]:
        """Everybody, and what was said of them in the frames of their motion; raises ValueError for who has none."""
        joined, people = self.joined, []
        models = self.estimator.network, self.estimator.body
        known = {id(track): said for who in joined.people for track, said in who.seen.values()}
        for number, parts in enumerate(zip(*(video.people for video in videos)), start=1):
            seen = {}
            for place, one in enumerate(parts):
                if len(one.track.frames):
                    said = known.get(id(one.track)) or said_of(one.track, joined.views[place], *models)
                    seen[place] = one.track, said
            who = join_person(joined.views, joined.cameras, seen, *models)
            if who is None:
                raise ValueError(f"person {number} is left in less than two frames of the first video: delete them")
            people.append((who, self._said(who, parts)))
        return people

    def _said(self, who: JointPerson, parts: Sequence[CorrectedPerson]) -> CorrectedPerson:
        """What was said of feet in frames of a motion, by the first view that has the frame."""
        said, open_ = CorrectedPerson.of(who.track), np.ones(len(who.track.frames), bool)
        times = self.clips[0].timestamps[who.track.frames]
        stands, on_floor = said.stands.clone(), said.on_floor.clone()
        for view in who.seen:
            rows, near = self._nearest(parts[view].track, view, times)
            mine, rows = torch.from_numpy(near & open_), torch.from_numpy(rows)
            stands[mine], on_floor[mine] = parts[view].stands[rows][mine], parts[view].on_floor[rows][mine]
            open_ &= ~near
        return replace(said, stands=stands, on_floor=on_floor, name=parts[0].name)


def open_refit(
    result: Result, videos: Sequence[Path], estimator: Estimator, folder: Path, progress: Progress | None = None,
    anew: bool = False,
) -> Refit | JointRefit:  # fmt: skip
    """What corrects the motion of videos, one or those of `Result.views`, whose stages are kept in a folder.

    Where their tracks are not kept there people are followed `anew`, or FileNotFoundError says so. Raises ValueError
    for other videos, and for options by which several are another motion.
    """
    clips = [view.clip for view in result.views] or [result.clip]
    if len(videos) != len(clips):
        given = f"{len(videos)} {'was' if len(videos) == 1 else 'were'} given"
        raise Misuse(f"the motion is of {len(clips)} videos, {given}: give all of them, in order")
    stages = [StageCache(folder, estimator.config.keys(content_key(video))) for video in videos]
    command = " ".join(["vibe estimate", *(video.name for video in videos), *["--together"] * bool(result.views)])
    advice = None if anew else f"run `{command} --keep-stages` with the motion's options and folder once"
    found = [_tracks(*each, estimator, progress, advice) for each in zip(videos, stages, clips, strict=True)]
    width, height, frames = clips[0].width, clips[0].height, len(clips[0].timestamps)
    if not result.views:
        return Refit(estimator, EditedVideo(content_key(videos[0]), frames, width, height), found[0], stages[0])
    joined = estimator.join(found, stages)
    before, after = result.views, view_records(joined)
    if len(before) != len(after) or not all(_is_same(*pair) for pair in zip(before, after, strict=True)):
        raise ValueError("these videos with these options have other cameras than the motion: give the options that it "
                         "was made with (--fov, --camera, --height), or estimate it anew with these")  # fmt: skip
    mark = EditedVideo(joint_content(videos), frames, width, height)
    return JointRefit(estimator, mark, joined, joint_stages(videos, estimator.config, folder))


def _is_same(one: View, other: View) -> bool:
    """Whether two cameras are the same, within `SAME`."""
    far = np.linalg.norm(one.t_view_ref - other.t_view_ref)
    return (
        abs(one.offset_s - other.offset_s) < SAME
        and np.allclose(one.camera.K_px, other.camera.K_px, rtol=SAME)
        and np.allclose(one.R_view_ref, other.R_view_ref, rtol=0, atol=SAME)
        and bool(far <= SAME * np.linalg.norm(one.t_view_ref))
    )


def _tracks(
    video: Path, stages: StageCache, clip: Clip, estimator: Estimator, progress: Progress | None, advice: str | None
) -> Tracking:
    """Where people are in a video that has to be the clip's; without `advice` they are followed if that is not kept."""
    found = kept_tracks(video, stages)
    if found is None and advice:
        raise FileNotFoundError(f"where people are in {video.name} is not kept: {advice}")
    found = found or estimator.track(video, stages, progress)
    its = found.clip
    if (len(its.timestamps), its.width, its.height) != (len(clip.timestamps), clip.width, clip.height):
        raise Misuse(f"{video} is another video than the motion's: give the one that it was made from")
    return found


def _points_px(track: Track) -> Float[ndarray, "time 27 2"]:
    return detected_points(track.keypoints_px, track.landmarks)[..., :2].numpy()


def _note(edits: Sequence[Edit]) -> list[str]:
    """What a result says of corrections."""
    return [f"{len(edits)} correction{'s' * (len(edits) > 1)} by hand"] if edits else []


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
        names.append(same[0] if same else evidence_key(camera, track))
    return names
