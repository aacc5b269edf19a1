import math
import threading
from dataclasses import dataclass

import numpy as np
import pytest

from vibe import assets
from vibe.tracking.active_track import TrackerConfig
from vibe.tracking.detector import Detections
from vibe.tracking.pose_model import Landmarks, region_from_circle
from vibe.tracking.tracker import Tracker

POSE = np.array(
    [(0, -90), (5, -95), (-5, -95), (10, -92), (-10, -92), (25, -65), (-25, -65), (32, -30), (-32, -30), (33, 0)]
    + [(-33, 0), (15, 0), (-15, 0), (17, 45), (-17, 45), (18, 95), (-18, 95)]
)
SIZE = (240, 640)
FPS = 30


@dataclass
class Actor:
    """A coloured board that moves through the scene; the first actors stand in front."""

    colour: tuple[int, int, int]
    place: object
    """Time in seconds to x, y, or None while hidden."""


class Scene:
    """Paints the boards, and reads them back as a detector and a pose model would."""

    def __init__(self, *actors):
        self.actors = actors
        self.time = 0.0

    def paint(self, time):
        self.time = time
        rgb = np.full((*SIZE, 3), 128, np.uint8)
        for actor in reversed(self.actors):
            if (place := actor.place(time)) is not None:
                x, y = (int(value) for value in place)
                rgb[max(y - 100, 0) : y + 100, max(x - 35, 0) : max(x + 35, 0)] = actor.colour
        return rgb

    def detector(self, rgb):
        boxes = []
        for actor in self.actors:
            rows, columns = (rgb == actor.colour).all(-1).nonzero()
            if len(rows) > 6000:
                x, y = columns.mean(), rows.mean()
                boxes.append([x, y, 70, 200])
        return Detections(np.array(boxes, float).reshape(-1, 4), np.full(len(boxes), 0.9))

    def start(self, box_px, keypoints_px):
        return np.array([*box_px[:2], 250.0, 0.0])

    def __call__(self, rgb, region):
        """Whoever shows most around the middle of the region: a hidden person's model jumps to who hides them."""
        x, y = (int(value) for value in region[:2])
        middle = rgb[max(y - 60, 0) : max(y + 60, 0), max(x - 30, 0) : max(x + 30, 0)]
        shown = [(middle == actor.colour).all(-1).sum() for actor in self.actors]
        best = int(np.argmax(shown))
        if shown[best] < 1000:
            return Landmarks(np.zeros((17, 3)), 0.0, region, region)
        place = np.array(self.actors[best].place(self.time), float)
        keypoints = np.concatenate([place + POSE, np.full((17, 1), 0.8)], 1)
        return Landmarks(keypoints, 0.99, region, np.array([*place, 250.0, 0.0]))


def follow(scene, seconds):
    follower = Tracker(scene.detector, scene)
    for index in range(round(seconds * FPS)):
        follower.step(index, index / FPS, scene.paint(index / FPS))
    return follower.finish()


def error_px(track, actor):
    """Largest distance of a track from where the actor truly is, where it was seen."""
    seen = track.confidence > 0
    places = np.array([actor.place(float(frame) / FPS) for frame in track.frames[seen]])
    return np.abs(track.keypoints_px[seen][:, 11:13, :2].mean(1).numpy() - places).max()


RED, BLUE, GREEN = (220, 30, 30), (30, 30, 220), (30, 200, 40)


@pytest.mark.parametrize("colours", [(RED, BLUE), (RED, RED[:2] + (31,))], ids=["dressed differently", "dressed alike"])
def test_two_people_who_cross_keep_their_numbers(colours):
    front = Actor(colours[0], lambda t: (100 + 120 * t, 120))
    back = Actor(colours[1], lambda t: (540 - 120 * t, 115))
    tracks, _ = follow(Scene(front, back), 3.6)
    assert len(tracks) == 2
    for actor in (front, back):
        assert min(error_px(track, actor) for track in tracks) < 6
    assert all(len(track.frames) >= 100 for track in tracks)


def test_who_turns_back_behind_another_is_told_by_their_dress():
    front = Actor(RED, lambda t: (320 + 2 * t, 120))
    back = Actor(BLUE, lambda t: (320 + 200 * abs(t - 1.5), 115))
    tracks, _ = follow(Scene(front, back), 3)
    assert len(tracks) == 2
    for actor in (front, back):
        assert min(error_px(track, actor) for track in tracks) < 6


def test_a_person_out_of_sight_for_a_second_and_a_half_keeps_their_number():
    walker = Actor(RED, lambda t: None if 1 <= t < 2.5 else (60 + 120 * t, 120))
    other = Actor(GREEN, lambda t: (600, 110))
    tracks, _ = follow(Scene(walker, other), 4)
    assert len(tracks) == 2
    gone = next(track for track in tracks if len(track.frames) < 120)
    assert error_px(gone, walker) < 1
    steps = gone.frames.diff()
    assert (steps > 1).sum() == 1 and 0.9 < steps.max() / FPS < 1.3  # a quarter of a second at each end is filled in


class Confused(Scene):
    """Of two people close together, whose middles both show, the model reads the wrong one."""

    def __call__(self, rgb, region):
        places = np.array([actor.place(self.time) for actor in self.actors], float)
        shown = [(rgb[int(y), int(x)] == actor.colour).all() for (x, y), actor in zip(places, self.actors, strict=True)]
        off = np.where(shown, np.abs(places[:, 0] - region[0]), np.inf)
        if off.min() > 70:
            return Landmarks(np.zeros((17, 3)), 0.0, region, region)
        read = int(np.where(off < 70, off, -1).argmax())
        keypoints = np.concatenate([places[read] + POSE, np.full((17, 1), 0.8)], 1)
        return Landmarks(keypoints, 0.99, region, np.array([*places[read], 250.0, 0.0]))


def test_whoever_is_close_to_another_is_read_where_the_other_is_painted_out():
    front = Actor(RED, lambda t: (60 + 400 * t, 120))
    back = Actor(BLUE, lambda t: (320, 115))
    tracks, _ = follow(Confused(front, back), 1.3)
    assert len(tracks) == 2
    for actor in (front, back):
        best = min(tracks, key=lambda track: error_px(track, actor))
        assert error_px(best, actor) < 6 and int((best.confidence > 0).sum()) >= 31


class Merging(Scene):
    """A detector that sees, of people whose heads are close together, the foremost alone."""

    HEADS = ((250, 250, 0), (0, 250, 250))

    def paint(self, time):
        rgb = super().paint(time)
        for head, actor in zip(self.HEADS, self.actors, strict=True):
            x, y = actor.place(time)
            rgb[y - 80 : y - 72, x - 4 : x + 4] = head
        return rgb

    def detector(self, rgb):
        spots = [
            np.argwhere((rgb == head).all(-1))[:, ::-1].mean(0) for head in self.HEADS if (rgb == head).all(-1).any()
        ]
        kept = [spot for n, spot in enumerate(spots) if all(abs(spot[0] - other[0]) > 100 for other in spots[:n])]
        boxes = np.array([(x, y + 76, 70, 200) for x, y in kept], float).reshape(-1, 4)
        return Detections(boxes, np.full(len(boxes), 0.9))


def test_whom_the_detector_sees_only_without_the_person_before_them_is_followed_within_a_fifth_of_a_second():
    front, back = Actor(RED, lambda t: (195, 120)), Actor(BLUE, lambda t: (235, 115))
    tracks, _ = follow(Merging(front, back), 1.5)
    assert len(tracks) == 2
    for actor in (front, back):
        best = min(tracks, key=lambda track: error_px(track, actor))
        assert error_px(best, actor) < 2 and best.frames[0] <= 6 and len(best.frames) >= 39


class Flyer(Scene):
    """A person whose trunk turns in the air; detector and pose model know people who are upright to them."""

    def __init__(self, turn, sees):
        super().__init__()
        self.turn_at, self.sees = turn, sees

    def turn(self):
        return math.radians(self.turn_at(self.time))

    def detector(self, rgb):
        spots = [np.argwhere((rgb == colour).all(-1))[:, ::-1] for colour in (RED, BLUE)]
        marks = [spot.mean(0) for spot in spots if len(spot)]
        found = len(marks) == 2 and marks[1][1] < marks[0][1] - 40
        points = np.array([marks] if found else [], float).reshape(-1, 2, 2)
        box = np.concatenate([points[:, 0], np.full((len(points), 2), 200.0)], 1)
        return Detections(box, np.full(len(points), 0.9), points)

    def paint(self, time):
        self.time = time
        rgb = np.zeros((*SIZE, 3), np.uint8)
        for colour, (x, y) in zip((RED, BLUE), self.ends(), strict=True):
            rgb[int(y) - 4 : int(y) + 4, int(x) - 4 : int(x) + 4] = colour
        return rgb

    def ends(self):
        hips = np.array([320.0, 120.0])
        return hips, hips + 80 * np.array([math.sin(self.turn()), -math.cos(self.turn())])

    def start(self, box_px, keypoints_px):
        return region_from_circle(*keypoints_px)

    def __call__(self, rgb, region):
        sees = self.sees(abs(math.remainder(region[3] - self.turn(), 2 * math.pi)), self.turn())
        points = np.stack(
            [
                POSE[:, 0] * math.cos(self.turn()) - POSE[:, 1] * math.sin(self.turn()),
                POSE[:, 0] * math.sin(self.turn()) + POSE[:, 1] * math.cos(self.turn()),
            ],
            -1,
        )
        keypoints = np.concatenate([(320, 120) + points, np.full((17, 1), 0.8)], 1)
        return Landmarks(keypoints, 0.99 * sees, region, region_from_circle(*self.ends()))


def somersault(time):
    """Degrees: 450 a second from half a second on."""
    return min(max(450 * (time - 0.5), 0), 360)


def jerky_somersault(time):
    """Degrees: 40 more at once in every third frame."""
    return 40 * (min(max(round(time * FPS) - 15, 0), 27) // 3)


@pytest.mark.parametrize(
    ("turn", "sees"),
    [
        (somersault, lambda off, turn: off < 0.5 and not 0.05 < turn < 1.2),
        (jerky_somersault, lambda off, turn: off < (0.8 if turn < 0.8 else 0.5)),
    ],
    ids=["lost, found by the turned detector", "faster than the region, never lost"],
)
def test_who_turns_over_is_found_upside_down(turn, sees):
    [track], _ = follow(Flyer(turn, sees), 2.0)
    seen = set(track.frames[track.confidence > 0].tolist())
    turning = {frame for frame in range(60) if 100 < turn(frame / FPS) < 330}
    assert len(seen & turning) >= 0.9 * len(turning)


def test_a_short_loss_is_filled_with_confidence_0():
    walker = Actor(RED, lambda t: None if 1 <= t < 1.3 else (60 + 120 * t, 120))
    scene = Scene(walker)
    [track], _ = follow(scene, 3)
    assert track.frames.tolist() == list(range(90))
    assert (track.confidence[30:39] == 0).all() and (track.confidence > 0).sum() >= 78


def test_who_comes_later_is_found_and_a_statue_never_swaps_with_a_walker():
    statue = Actor((120, 90, 60), lambda t: (320, 120))
    walker = Actor(BLUE, lambda t: (40 + 150 * t, 125) if t > 0.4 else None)
    tracks, _ = follow(Scene(walker, statue), 3.8)
    assert len(tracks) == 2
    assert error_px(tracks[0], statue) < 2 and error_px(tracks[1], walker) < 6
    assert 12 <= tracks[1].frames[0] <= 20


def test_two_readings_of_one_person_make_one_track():
    person = Actor(RED, lambda t: (200, 120))
    scene = Scene(person)
    single = scene.detector

    def twice(rgb):
        found = single(rgb)
        return Detections(np.concatenate([found.box_px, found.box_px + (12, 3, 9, 9)]), np.tile(found.score, 2))

    scene.detector = twice
    tracks, _ = follow(scene, 2)
    assert len(tracks) == 1 and len(tracks[0].frames) == 60


def test_a_detector_is_asked_by_one_thread_alone():
    scene, threads = Scene(Actor(RED, lambda t: (200, 120))), set()
    plain = scene.detector

    def noted(rgb):
        threads.add(threading.get_ident())
        return plain(rgb)

    scene.detector = noted
    follow(scene, 2)
    assert len(threads) == 1


def test_an_empty_scene_has_nobody_and_frames_must_come_in_order():
    assert follow(Scene(), 1) == ([], [])
    follower = Tracker(Scene().detector, Scene())
    follower.step(3, 0.1, np.zeros((16, 16, 3), np.uint8))
    with pytest.raises(ValueError, match="in order"):
        follower.step(3, 0.2, np.zeros((16, 16, 3), np.uint8))


@pytest.fixture(scope="module")
def real():
    try:
        for name in assets.MODELS:
            assets.find_model(name)
    except FileNotFoundError as reason:
        pytest.skip(str(reason))
    return Tracker


@pytest.mark.parametrize("size", [(16, 16), (2160, 3840), (1, 50)])
def test_nobody_is_followed_in_noise_of_any_size(real, size):
    rgb = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
    follower = real()
    for index in range(2):
        follower.step(index, index / 30, rgb)
    assert follower.finish()[0] == []


def test_two_people_of_the_shared_clip_are_followed_through_their_crossing(real, shared):
    av = pytest.importorskip("av")
    follower = real()
    with av.open(str(shared / "data" / "videos" / "two_people" / "cam01.mp4")) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index % 3 == 0 and index >= 40:
                follower.step(index // 3 - 14, float(frame.time), frame.to_ndarray(format="rgb24"))
    tracks, _ = follower.finish()
    whole = [track for track in tracks if len(track.frames) == 20]
    assert len(whole) >= 2
    near, far = whole[:2]
    assert ((near.box_px[:, 1] - far.box_px[:, 1]) > 200).all()
    assert (near.confidence > 0).all() and (far.confidence > 0).all()


def test_the_somersault_of_the_shared_street_clip_is_one_persons_and_head_down(real, shared):
    av = pytest.importorskip("av")
    follower = real()
    with av.open(str(shared / "data" / "videos" / "street" / "street.mp4")) as container:
        for index, frame in zip(range(190), container.decode(video=0), strict=False):
            if index >= 140:
                follower.step(index - 140, float(frame.time), frame.to_ndarray(format="rgb24"))
    tracks, _ = follower.finish()
    shoulders, hips = ([track.keypoints_px[25:45, rows, 1].mean(1) for track in tracks] for rows in ([5, 6], [11, 12]))
    head_down = [(above > below).sum() for above, below in zip(shoulders, hips, strict=True)]
    assert sorted(count >= 9 for count in head_down) == [False, True]
    assert all((track.confidence > 0).sum() >= 48 for track in tracks)


def three():
    """Three who stand beside each other."""
    colours = [(250, 0, 0), (0, 250, 0), (0, 0, 250)]
    return Scene(
        *(Actor(colour, lambda time, x=x: (x, 120)) for colour, x in zip(colours, (100, 320, 540), strict=True))
    )


def test_no_more_people_are_followed_than_were_asked_for():
    scene = three()
    follower = Tracker(scene.detector, scene, TrackerConfig(most_people=2))
    seen = [follower.step(index, index / FPS, scene.paint(index / FPS)) for index in range(30)]
    assert {len(people) for people in seen} == {2}
    follower.close()


def test_no_more_windows_are_looked_at_in_a_frame_than_were_asked_for_and_everybody_is_found():
    scene, looks = three(), []

    def detector(rgb):
        looks[-1] += 1
        return scene.detector(rgb)

    follower = Tracker(detector, scene, TrackerConfig(most_windows=1))
    for index in range(30):
        looks.append(0)
        people = follower.step(index, index / FPS, scene.paint(index / FPS))
    assert max(looks) == 1 and len(people) == 3
    follower.close()


def test_a_follower_that_forgets_sees_the_same_and_keeps_little():
    scene = three()
    one, other = Tracker(scene.detector, scene), Tracker(scene.detector, scene)
    for index in range(150):
        rgb = scene.paint(index / FPS)
        assert len(one.step(index, index / FPS, rgb)) == len(other.step(index, index / FPS, rgb))
        if index % 20 == 19:
            other.forget()
    assert len(other._log.times) <= 20
    one.close()
    other.close()
