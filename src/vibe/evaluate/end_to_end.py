"""The whole method over the videos behind a store: who is found is compared with who is there, and who is not counts.

A person who is found is the one whose square region overlaps the true one most, frame by frame, best pairs first. The
errors are means over the frames in which a person was found; beside them stands the coverage.

And the balancing clip's protocol: a real video of two views whose 3D truth is known, from its pictures to its joints.
The truth was triangulated from 2D detections and has an error of 2 to 3 cm of its own. Nothing is ever tuned on it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from vibe import assets, cameras, skeletons
from vibe.arrays import as_tensors
from vibe.body.load import load_smpl
from vibe.body.record import Body
from vibe.cache import StageCache
from vibe.data.pictures import read_pictures
from vibe.data.store import SequenceRows, Store, open_store
from vibe.evaluate.protocols import Protocol
from vibe.evaluate.scores import Compared, Report, System, Tallies, Tally, all_scores
from vibe.evaluate.with_true_boxes import compared, measurable, person_of, report, sequences_of
from vibe.features.extractor import FeatureReader
from vibe.features.video_features import VideoFeatures
from vibe.inference import config, estimate
from vibe.inference import track as following
from vibe.models.network import Network
from vibe.motion import Motion
from vibe.parallel import one_thread
from vibe.records import Clip, Progress, Track
from vibe.tracking.detector import iou
from vibe.tracking.tracker import Tracker
from vibe.video.read import Frame, open_video

BOXES = "detected"
OVERLAP = 0.3
"""Least intersection over union of the square regions of a person who is found and of one who is there."""
Footage = Callable[[], Iterator[tuple[int, Frame]]]
"""The frames of a source, from the first, each with its number in the source; they are counted from 0 without gaps."""


@dataclass(frozen=True)
class Found:
    """Everyone who was found in one source."""

    clip: Clip
    numbers: Int[Tensor, "frame"]
    """Of the source, of each frame of the clip."""
    tracks: tuple[Track, ...]
    features: tuple[Float[Tensor, "_ 2048"], ...] | None
    """Of each track's crops, for a network that reads them."""


def end_to_end(
    data: Path, raw: Path, protocol: Protocol, network: Network, after: Sequence[System],
    progress: Progress | None = None,
) -> Report:  # fmt: skip
    """Score the whole method, from the pictures in `raw`, on the people of the store in a folder.

    The camera is the product's default one, and nobody is told where people are. Raises FileNotFoundError or
    ValueError, with what to do, for a folder that is no store, pictures that are not there, or a protocol that is
    defined by true boxes.
    """
    if protocol.window is not None:
        raise ValueError(f"{protocol.name} is defined with true boxes: leave --boxes out")
    store, body = open_store(data), config.choose_body(None, network)[0]
    people = sequences_of(store, protocol)
    smpl = cache(load_smpl)
    tallies: Tallies = defaultdict(Tally)
    with one_thread():
        for source in dict.fromkeys(sequence.source for sequence in people):
            here = [sequence for sequence in people if sequence.source == source]
            found = tracks_of(recorded_video(store, here, raw), raw / source, network, progress)
            parts = [(store.frames[each.rows], store.column("box_px")[each.rows]) for each in here]
            boxes = [(torch.from_numpy(np.array(one)), torch.from_numpy(np.array(box))) for one, box in parts]
            pairs = matched(boxes, [(found.numbers[track.frames], track.box_px) for track in found.tracks])
            truth = [person_of(store, sequence, protocol, smpl) for sequence in here]
            motions = cache(partial(_motions, found, network, body, after))
            for person, pairing in zip(truth, pairs, strict=True):
                wanted, who = measurable(protocol, person, body), pairing[person.rows]
                for place, system in enumerate(after):
                    tally = tallies["video", system.name, protocol.says, person.sequence.name]
                    tally.found.append(who >= 0)
                    # track by track, so that no acceleration is taken from one to another
                    for track in who[who >= 0].unique().tolist():
                        its = (who == track).nonzero()[:, 0]
                        mine = torch.searchsorted(found.numbers[found.tracks[track].frames], person.frames[its])
                        clip = compared(person, its, motions(track)[place], mine, body, protocol)
                        tally.add(clip, wanted)
    return report(store, protocol, BOXES, network, body, tallies)


def recorded_video(store: Store, people: Sequence[SequenceRows], raw: Path) -> Footage:
    """The pictures of a source, a video or the files that a recording names; raises ValueError, FileNotFoundError."""
    first = people[0]
    if not first.source:
        raise ValueError(f"{first.name} has no pictures: measure with true boxes")
    named = {
        int(number): name
        for sequence in people
        for number, name in zip(store.frames[sequence.rows], store.images(sequence.rows), strict=True)
        if name
    }
    path = raw / first.source
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: give the folder of the set's own downloads with --raw")
    return partial(_pictures, path, named, first.fps * first.step) if named else partial(_video, path)


def tracks_of(shown: Footage, path: Path, network: Network, progress: Progress | None) -> Found:
    """Everyone in the pictures, and what the network reads of them; ValueError if no picture can be read."""
    follower, numbers, times, size = Tracker(), [], [], (0, 0)
    for number, frame in shown():
        follower.step(frame.index, frame.time, frame.rgb)
        numbers.append(number)
        times.append(frame.time)
        size = frame.rgb.shape[1], frame.rgb.shape[0]
        if progress:
            progress(f"people in {path.name}", frame.index + 1, None)
    tracks, _ = follower.finish()
    if not numbers:
        raise ValueError(f"{path} holds no picture that can be read: copy the set's files again")
    timestamps = torch.tensor(times, dtype=torch.float64)
    rate = (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else 1.0
    clip = Clip(path, rate, *size, timestamps, 0)
    features = None
    if network.extractor is not None:
        reader = FeatureReader(tracks, network.extractor)
        for _, frame in shown():
            reader.step(frame.index, frame.rgb)
        features = reader.finish()
    return Found(clip, torch.tensor(numbers, dtype=torch.int64), tuple(tracks), features)


def matched(
    true: Sequence[tuple[Int[Tensor, "_"], Float[Tensor, "_ 4"]]],
    found: Sequence[tuple[Int[Tensor, "_"], Float[Tensor, "_ 4"]]],
) -> list[Int[Tensor, "_"]]:
    """For each frame of each true person, who was found there: an index into `found`, or -1.

    Both are numbers of frames and boxes (centre, width, height). In each frame pairs are made in the order of their
    overlap, each of one person on either side.
    """
    chosen = [torch.full((len(numbers),), -1) for numbers, _ in true]
    there: dict[int, tuple[list, list]] = defaultdict(lambda: ([], []))
    for side, people in enumerate((true, found)):
        for person, (numbers, box_px) in enumerate(people):
            squares = torch.cat([box_px[:, :2], box_px[:, 2:].amax(-1, keepdim=True).repeat(1, 2)], -1).numpy()
            for row, (number, square) in enumerate(zip(numbers.tolist(), squares, strict=True)):
                there[number][side].append((person, row, square))
    for here, others in there.values():
        if not (here and others):
            continue
        overlap = iou(*(np.stack([square for *_, square in each]) for each in (here, others)))
        while overlap.max() >= OVERLAP:
            one, other = np.unravel_index(overlap.argmax(), overlap.shape)
            person, row, _ = here[one]
            chosen[person][row] = others[other][0]
            overlap[one], overlap[:, other] = 0, 0
    return chosen


def _motions(found: Found, network: Network, body: Body, after: Sequence[System], number: int) -> list[Motion]:
    camera = cameras.default_camera(found.clip.width, found.clip.height)
    features = found.features[number].__getitem__ if found.features else None
    how = [system.refinement for system in after]
    return estimate.estimate_track(found.tracks[number], found.clip, camera, network, body, how, features)


def _video(path: Path) -> Iterator[tuple[int, Frame]]:
    with open_video(path) as video:
        for frame in video:
            yield frame.index, frame


def _pictures(folder: Path, named: dict[int, str], rate: float) -> Iterator[tuple[int, Frame]]:
    """The files of a folder in the order of their numbers; those that can't be read are left out."""
    numbers = sorted(named)
    shown = read_pictures(folder, numbers, [named[number] for number in numbers])
    for index, (place, rgb) in enumerate(shown):
        yield numbers[place], Frame(index, numbers[place] / rate, rgb)


BALANCING = "real"
BALANCING_VIEWS = ("cam01", "cam02")
BALANCING_FPS = 60.0
LIMBS12 = "12 limb joints about the hips"
LIMB_HIPS = skeletons.index(skeletons.LIMBS, ["left_hip", "right_hip"])


def balancing_clip(data: Path, network: Network, after: Sequence[System], progress: Progress | None = None) -> Report:
    """Score a network, with each of the systems after it, on the clip in a folder; raises FileNotFoundError."""
    body = config.choose_body(None, network)[0]
    limbs = skeletons.index(skeletons.SMPL, skeletons.LIMBS)
    tallies: Tallies = defaultdict(Tally)
    with one_thread():
        for view in BALANCING_VIEWS:
            truth = truth_of(data, view)
            clip, track = follow_tallest(data / f"{view}.mp4", Tracker(), progress)
            camera = cameras.default_camera(clip.width, clip.height)
            read, how = network.extractor, [system.refinement for system in after]
            with StageCache() as stages:
                features = read and partial(VideoFeatures(stages, clip, [track], read, progress).of, 0)
                motions = estimate.estimate_track(track, clip, camera, network, body, how, features)
            for system, motion in zip(after, motions, strict=True):
                places = as_tensors(motion.joints_cam)[:, limbs]
                tallies["video", system.name, LIMBS12, view].add(
                    Compared(places, truth[track.frames], track.frames, BALANCING_FPS, LIMB_HIPS)
                )
    checksum = assets.sha256(data / "truth.npz")
    return Report(BALANCING, BOXES, checksum, (BALANCING_FPS,), network.about, body.origin, all_scores(tallies))


def follow_tallest(path: Path, follower: Tracker, progress: Progress | None = None) -> tuple[Clip, Track]:
    """The clip and the track of the person who is tallest in it: the one whose truth is known."""
    with open_video(_present(path)) as video:
        found = following.track_frames(video, follower, progress)
    return found.clip, max(found.tracks, key=lambda one: float(one.box_px[:, 3].median()))


def truth_of(data: Path, view: str) -> Float[Tensor, "time 12 3"]:
    """The 12 limb joints (`skeletons.LIMBS`) in a camera's frame, metres; raises FileNotFoundError without the file."""
    with np.load(_present(data / "truth.npz"), allow_pickle=False) as file:
        names = list(file["joint_names"])
        joints = torch.from_numpy(file[f"{view}.joints_cam"])
    limbs = (name.split("_") for name in skeletons.LIMBS)
    return joints[:, [names.index(side[0].upper() + joint.capitalize()) for side, joint in limbs]]


def _present(path: Path) -> Path:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not here: give the folder of the balancing clip with --data")
    return path
