"""The whole method on one screen: video, tracks, features, network, fit, smoothing, result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Executor, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Event, Lock
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from vibe.arrays import as_numpy
from vibe.body.record import Body
from vibe.cache import StageCache, content_key
from vibe.features.runtimes import RUNTIMES
from vibe.inference.config import EstimatorConfig, Refinement, choose_body, energies
from vibe.inference.lens import find_lens
from vibe.inference.predict import Features, feature_extractor, predict_track, timeline
from vibe.inference.refine import Ticks, refine_track
from vibe.inference.track import Tracking, load_detector, load_hand_model, load_pose_model, track_people
from vibe.models.network import Network, load_network
from vibe.motion import Motion, Result
from vibe.parallel import one_thread
from vibe.records import Camera, Clip, HandReadings, Lens, Progress, Track, takes_options
from vibe.refine.presets import FITTINGS, SMOOTHING, TOGETHER
from vibe.tracking.active_track import SPARING, TrackerConfig
from vibe.tracking.detector import Detector
from vibe.tracking.pose_model import PoseModel
from vibe.video.read import open_video

if TYPE_CHECKING:
    from vibe.edits.record import Corrected, CorrectedPerson
    from vibe.inference.together import JoinedViews, JointPerson
    from vibe.tracking.hand_model import HandModel
    from vibe.world.camera_motion import CameraMotion


@takes_options(EstimatorConfig)
def estimate(video: Path | str, *, progress: Progress | None = None, **options: Any) -> Result:
    """Everyone's motion in a video, in the camera's frame and in one world (`vibe.records.World`).

        import vibe

        result = vibe.estimate("dance.mp4")
        result.save("motion.npz")

    The options are the fields of `vibe.inference.config.EstimatorConfig`, which are those of `vibe estimate`. For many
    videos use `load_estimator`. Raises FileNotFoundError or ValueError for what is not a video, body or weights,
    OSError where it cannot be read, ImportError for a runtime that is not installed.
    """
    return load_estimator(**options).estimate(video, progress=progress)


@takes_options(EstimatorConfig)
def estimate_together(videos: Sequence[Path | str], *, progress: Progress | None = None, **options: Any) -> Result:
    """Everyone's motion in 2 to 8 videos of the same people, taken at the same time by cameras that stand still.

        import vibe

        result = vibe.estimate_together(["left.mp4", "right.mp4"])
        print([view.offset_s for view in result.views])

    Nothing need be known of the cameras, and their clocks may differ: `Result.views` tells what was found. The result
    is in the time and the frame of the first video. Options and errors as of `vibe.estimate`; ValueError too for
    videos that don't show the same people at the same time, and for cameras that move.
    """
    return load_estimator(**options).estimate_together(videos, progress=progress)


@takes_options(EstimatorConfig)
def load_estimator(config: EstimatorConfig | None = None, /, **options: Any) -> Estimator:
    """The method with all its models loaded, for any number of videos.

        import vibe

        estimator = vibe.load_estimator(smoothing="strong")
        for video in ("one.mp4", "two.mp4"):
            estimator.estimate(video, cache="stages").save(video + ".npz")

    The options are those of `estimate`, which change a configuration where one is given. Raises FileNotFoundError,
    ValueError or OSError for what does not fit or is not here, ImportError for a runtime that is not installed.
    """
    if options or config is None:
        config = replace(config or EstimatorConfig(), **options, checksums={})
    config = config.resolved()
    device = _device(config.device)
    terms = energies(config.prior or "mixture")
    network = load_network(config.weights, device)
    if network.evidence == "images":
        from vibe.features.extractor import load_extractor
        from vibe.features.onnx_graph import write_graph

        extractor = load_extractor(config.weights, device)
        runtime = RUNTIMES["torch" if config.int8 else config.runtime]
        network = replace(network, extractor=runtime(extractor, partial(write_graph, extractor)))
    body, remarks = choose_body(config.body, network)
    fitting = replace(FITTINGS[config.fitting], points=config.fitted_points) if config.fitting else None
    refinement = Refinement(SMOOTHING[config.smoothing or "none"], fitting, terms, config.height_m)
    detector, pose_model = load_detector(config.detector), load_pose_model(config.pose_model)
    hand_model = load_hand_model() if "hands" in config.checksums else None
    if config.wants_hands and hand_model is None:
        remarks.append("fingers were not looked for, because the models of hands are not here: run `vibe fetch`")
    return Estimator(config, detector, pose_model, network, body, refinement, tuple(remarks), hand_model)


@dataclass(frozen=True)
class Estimator:
    """Everything that a result depends on but the video, loaded.

        import vibe

        estimator = vibe.load_estimator(device="cpu")
        result = estimator.estimate("dance.mp4")
        print(len(result), "people")

    `vibe.load_estimator` makes it.
    """

    config: EstimatorConfig
    detector: Detector
    pose_model: PoseModel
    network: Network
    body: Body
    refinement: Refinement
    remarks: tuple[str, ...]
    """Notes that every result gets."""
    hand_model: HandModel | None = None
    """What reads hands; None leaves fingers relaxed."""

    def estimate(
        self, video: Path | str, *, cache: Path | str | None = None, progress: Progress | None = None
    ) -> Result:
        """Everyone's motion in a video; errors as of `vibe.estimate`.

        `cache` is a folder in which each stage's results are kept, chunk by chunk, and looked for first
        (docs/stages.md): a run that was killed goes on where it was, and one with other settings computes only what
        depends on them.
        """
        path = Path(video)
        with StageCache(*_cached(path, self.config, cache)) as stages:
            found = self.track(path, stages, progress)
            return self.solve(found, stages, progress)

    def solve(
        self, found: Tracking, stages: StageCache, progress: Progress | None = None,
        corrected: Corrected | None = None, names: Sequence[int | str] = (),
    ) -> Result:  # fmt: skip
        """The motion of everybody who was followed, or of who they are after corrections.

        The stages have each person under their number, or under these names.
        """
        clip, said = found.clip, corrected.people if corrected else ()
        tracks = [one.track for one in said] if corrected else found.tracks
        still, names = corrected is not None and corrected.still, names or range(len(tracks))
        lens = find_lens(self.config, clip, None if still else found.background)
        camera = lens.camera
        extractor, remarks = feature_extractor(self.network, self.config, clip, tracks, stages)
        features = None
        if extractor and tracks:
            from vibe.features.video_features import VideoFeatures

            features = VideoFeatures(stages, clip, tracks, extractor, progress)
        moved, steady = self._camera_motion(found, lens, still)

        def one(person: int, tick: Ticks, pool: Executor | None) -> Motion:
            seen = partial(features.of, person) if features else None
            models = self.network, self.body, [self.refinement]
            rest = seen, stages, names[person], tick, pool, steady
            return estimate_track(tracks[person], clip, camera, *models, *rest)[0]

        moments = [len(timeline(clip.timestamps[track.frames], self.network).times) for track in tracks]
        people = _together(one, moments, self.refinement.fitting is not None, progress)
        notes = [*found.notes, *(lens.notes if people else ()), *self.remarks, *remarks, *stages.notes]
        clip, lens, world = as_numpy(clip), as_numpy(lens), None
        if moved:
            from vibe.inference.world import place_in_world

            how = self.refinement
            people, world, remarks = place_in_world(people, clip, lens, self.body, moved, how, False, said)
            notes += remarks
        people = self._with_fingers(people, tracks, found.hands, lens.camera)
        return Result(clip, lens.camera, people, self.body.origin, self.network.about, tuple(notes), world)

    def estimate_together(
        self, videos: Sequence[Path | str], *, cache: Path | str | None = None, progress: Progress | None = None
    ) -> Result:
        """Everyone's motion in several videos of the same people, before still cameras; as of `vibe.estimate_together`.

        Each video has its own stages in the folder `cache`.
        """
        from vibe.inference.together import check_videos, joint_stages

        paths = check_videos(videos, self.config, self.network)
        with ExitStack() as opened:
            each = [opened.enter_context(StageCache(*_cached(path, self.config, cache))) for path in paths]
            joined = self.join([self.track(*one, progress) for one in zip(paths, each, strict=True)], each)
            stages = opened.enter_context(joint_stages(paths, self.config, cache))
            return self.solve_together(joined, joined.people, stages, progress)

    def join(self, found: Sequence[Tracking], stages: Sequence[StageCache]) -> JoinedViews:
        """Several videos whose people were followed, as one scene; errors as of `vibe.estimate_together`."""
        from vibe.inference.together import SeenView, join_views

        views = []
        for each, kept in zip(found, stages, strict=True):
            lens = find_lens(self.config, each.clip, each.background)
            models = lens.camera, self.network, self.body, None, kept
            predictions = [
                predict_track(track, each.clip.timestamps[track.frames], *models, person)
                for person, track in enumerate(each.tracks)
            ]
            moved = self._camera_motion(each, lens)[0]
            read = lens, each.tracks, predictions, moved, each.hands, tuple(each.notes)
            views.append(SeenView(each.clip.path, each.clip, *read))
        return join_views(views, self.config, self.network, self.body)

    def solve_together(
        self, joined: JoinedViews, people: Sequence[JointPerson], stages: StageCache,
        progress: Progress | None = None, said: Sequence[CorrectedPerson] = (),
    ) -> Result:  # fmt: skip
        """The motion of people whom several videos show, or of who they are after corrections, which `said` has."""
        from vibe.inference.together import evidence_key, view_records

        view, camera, fitting = joined.views[0], joined.camera, self.refinement.fitting
        how = replace(self.refinement, fitting=fitting and replace(fitting, stages=(TOGETHER,), hedging=None))

        def one(person: int, tick: Ticks, pool: Executor | None) -> Motion:
            who = people[person]
            kept = evidence_key(camera, who.track, who.prediction.whole.smpl, *who.others)
            rest = how, stages, kept, tick, pool, None
            return refine_track(who.track, who.prediction, view.clip, camera, self.body, *rest, who.others)

        moments = [len(who.prediction.timeline.times) for who in people]
        motions = _together(one, moments, True, progress)
        notes, world = [*joined.notes, *self.remarks, *stages.notes], None
        clip, lens = as_numpy(view.clip), as_numpy(replace(view.lens, camera=camera))
        if view.moved:
            from vibe.inference.world import place_in_world

            motions, world, remarks = place_in_world(motions, clip, lens, self.body, view.moved, how, True, said)
            notes += remarks
        motions = self._with_fingers(motions, [who.track for who in people], view.hands, camera)
        about = self.body.origin, self.network.about, tuple(notes), world
        return Result(clip, lens.camera, motions, *about, view_records(joined))

    def track(self, path: Path, stages: StageCache, progress: Progress | None) -> Tracking:
        """What a pass over a video finds, or found once; errors as of `vibe.estimate`."""
        how = SPARING if self.config.leaves_out_frames else TrackerConfig()
        models = self.detector, self.pose_model, stages, progress
        return track_people(path, *models, self.config.fps, self.hand_model, how)

    def _with_fingers(
        self, people: tuple[Motion, ...], tracks: Sequence[Track], readings: HandReadings | None, camera: Camera
    ) -> tuple[Motion, ...]:
        """The people with the fingers of those hands that were read."""
        if readings is None or not len(readings.frames):
            return people
        from vibe.inference.hands import add_fingers

        with one_thread():
            return add_fingers(people, tracks, readings, camera, self.body)

    def _camera_motion(
        self, found: Tracking, lens: Lens, still: bool = False
    ) -> tuple[CameraMotion | None, Tensor | None]:
        """How the camera moved, if that is asked for, and R_steady_cam of each frame where our own fit follows."""
        if not self.config.world:
            return None, None
        from vibe.inference.world import camera_motion
        from vibe.world.camera_motion import held_still, steadied

        clip = as_numpy(found.clip)
        moved = camera_motion(found.background, clip, as_numpy(lens.camera))
        moved = held_still(moved) if still else moved
        grounded = self.refinement.fitting is not None and self.refinement.fitting.grounded
        R_steady_cam = steadied(moved, clip.timestamps) if grounded else None
        return moved, None if R_steady_cam is None else torch.from_numpy(R_steady_cam).float()

    def estimate_track(
        self, track: Track, clip: Clip, camera: Camera | None = None, features: Features | None = None
    ) -> Motion:
        """One person's motion from their track; weights that read images need the features of its crops."""
        camera = camera or find_lens(self.config, clip).camera
        seen = None if features is None else features.__getitem__
        return estimate_track(track, clip, camera, self.network, self.body, [self.refinement], seen)[0]


def estimate_track(
    track: Track, clip: Clip, camera: Camera, network: Network, body: Body, refinements: Sequence[Refinement],
    features: Callable[[slice], Features] | None = None, cache: StageCache | None = None, person: int | str = 0,
    tick: Ticks = lambda moments: None, pool: Executor | None = None,
    R_steady_cam: Float[Tensor, "frame 3 3"] | None = None,
) -> list[Motion]:  # fmt: skip
    """One person's motion at the frames of their track, after each of several refinements of one prediction.

    `features` gives those of some rows of the track; `cache` keeps chunks under the person's number or name, of
    one refinement alone; `tick` is told of so many more moments that are done; `pool` has threads for a fit's windows;
    `R_steady_cam` is of a camera that trembles (`vibe.world.camera_motion.steadied`).
    """
    with StageCache() as temporary:
        times = clip.timestamps[track.frames]
        predicted = predict_track(track, times, camera, network, body, features, cache or temporary, person)
        motions = []
        for how in refinements:
            with StageCache() as other:
                motions.append(
                    refine_track(
                        track, predicted, clip, camera, body, how, cache or other, person, tick, pool, R_steady_cam
                    )
                )
        return motions


def _together(
    one: Callable[[int, Ticks, Executor | None], Motion], moments: Sequence[int], parallel: bool,
    progress: Progress | None,
) -> tuple[Motion, ...]:  # fmt: skip
    """Everybody's motion, several people at once where there are threads for it; the first fault stops all."""
    done, lock, stop = 0, Lock(), Event()

    def tick(count: int) -> None:
        nonlocal done
        if stop.is_set():
            raise InterruptedError("the others stopped")
        with lock:
            done += count
            if progress:
                progress("motion", done, sum(moments))

    threads = torch.get_num_threads() if parallel and len(moments) > 1 else 1
    if threads == 1:
        return tuple(one(person, tick, None) for person in range(len(moments)))
    with one_thread(), ThreadPoolExecutor(threads) as windows, ThreadPoolExecutor(threads) as people:
        waiting = [people.submit(one, person, tick, windows) for person in range(len(moments))]
        try:
            for each in wait(waiting, return_when=FIRST_EXCEPTION).done:
                each.result()
            return tuple(each.result() for each in waiting)
        except BaseException:
            stop.set()
            people.shutdown(wait=False, cancel_futures=True)
            windows.shutdown(wait=False, cancel_futures=True)
            raise


def _device(wanted: str | None) -> str:
    """The device asked for, or the best one that is here; raises ValueError if it is not."""
    device = wanted or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"the device {device} is not here: {' '.join(str(error).split())}") from error
    return device


def _cached(
    path: Path, config: EstimatorConfig, folder: Path | str | None
) -> tuple[Path | None, Mapping[str, str] | None]:
    """Where the stages of a video are kept, and under which keys; nowhere without a folder, and of pipes."""
    if folder is None or (path.exists() and not path.is_file() and not path.is_dir()):
        return None, None
    try:
        return Path(folder), config.keys(content_key(path))
    except OSError:
        open_video(path).close()
        raise
