"""Laws of the frames of a clip: cuts are found, nothing else is taken for one, and no track crosses them; what is told
of frames that are left out follows from those around."""

import cv2
import numpy as np
import pytest
import torch
from tracking.test_tracker import FPS, Actor, Scene

from vibe.records import Track
from vibe.synthetic.background import background, ground_below
from vibe.synthetic.clips import make_clip
from vibe.tracking.frames import CutDetector, with_frames_between
from vibe.tracking.tracker import Tracker
from vibe.video.read import open_video


def landscape(seed: int, width: int = 640, height: int = 240) -> np.ndarray:
    """A picture with structure in all sizes, as those of cameras have."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, 3), np.float32)
    for cell in (120, 60, 30, 15, 8):
        grid = rng.normal(size=(height // cell + 2, width // cell + 2, 3)).astype(np.float32)
        total += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC) * cell**0.5 / 10
    return np.clip(120 + 40 * total, 0, 255).astype(np.uint8)


def cuts(pictures, fps: float = FPS):
    detector = CutDetector()
    return [index for index, rgb in enumerate(pictures) if detector.step(index / fps, rgb)]


def panned(seed, step, frames=20):
    """A camera that turns by `step` widths a frame, with the blur of that motion."""
    wide = landscape(seed, 700 + int(640 * step * frames))
    blurred = cv2.blur(wide, (max(1, int(640 * step)), 1))
    return [blurred[:, int(i * step * 640) :][:, :640] for i in range(frames)]


@pytest.mark.parametrize("seed", range(6))
def test_a_cut_between_scenes_is_found_in_its_frame(seed):
    assert cuts([*panned(seed, 0.01), *panned(seed + 50, 0.01), *panned(seed + 100, 0.05)]) == [20, 40]


@pytest.mark.parametrize("step", [0.0, 0.02, 0.1, 0.18])
def test_a_pan_is_no_cut(step):
    assert cuts(panned(1, step)) == []


def test_a_walking_person_is_no_cut_at_any_rate(tmp_path):
    make_clip(tmp_path / "walk.mp4", seconds=1.5, width=180, height=320)
    with open_video(tmp_path / "walk.mp4") as video:
        pictures = [frame.rgb for frame in video]
    for every in (1, 3, 6, 10):
        assert cuts(pictures[::every], 30 / every) == []


def test_cuts_between_places_with_few_edges_are_found():
    K_px = np.array([[500.0, 0, 240], [0, 500.0, 135], [0, 0, 1]])
    places = [background(480, 270, K_px, ground_below(0.8 + 0.2 * seed, 0.05), seed) for seed in range(8)]
    found = cuts([place for place in places for _ in range(5)])
    assert set(found) <= set(range(5, 40, 5)) and len(found) >= 6


@pytest.mark.parametrize("length", [1, 2, 5])
@pytest.mark.parametrize(("gain", "added"), [(1, 255), (2, 0), (2, 60), (0, 0), (0.2, 0), (1, -80)])
def test_a_flash_is_no_cut_and_hides_none(gain, added, length):
    pictures = panned(2, 0.01, 30)
    for index in range(10, 10 + length):
        pictures[index] = np.clip(pictures[index].astype(float) * gain + added, 0, 255).astype(np.uint8)
    assert cuts(pictures) == []
    after = panned(7, 0.01, 10)
    assert cuts([*pictures[: 10 + length], *after]) in ([10 + length], [10 + length + 1])


def test_fades_through_black_end_one_scene():
    fade = np.linspace(1, 0, 10)
    one = [(share * rgb).astype(np.uint8) for share, rgb in zip(fade, panned(3, 0.0, 10), strict=True)]
    other = [(share * rgb).astype(np.uint8) for share, rgb in zip(fade[::-1], panned(4, 0.0, 10), strict=True)]
    assert cuts([*one, *one[::-1]]) == []
    assert len(cuts([*one, *other])) == 1


def test_a_detector_goes_on_where_another_was():
    pictures = [*panned(1, 0.05), *panned(2, 0.05)]
    one = CutDetector()
    for index, rgb in enumerate(pictures[:20]):
        one.step(index / FPS, rgb)
    other = CutDetector()
    other.restore(one.state())
    assert other.step(20 / FPS, pictures[20])
    assert not other.step(21 / FPS, pictures[21])


class Landscape(Scene):
    """Boards before a landscape."""

    def __init__(self, seed, *actors):
        super().__init__(*actors)
        self.behind = landscape(seed)

    def paint(self, time):
        rgb = super().paint(time)
        return np.where((rgb == 128).all(-1, keepdims=True), self.behind, rgb)


class Joined(Scene):
    """One scene, and another from a time on."""

    def __init__(self, first, second, cut):
        self.first, self.second, self.cut, self.now = first, second, cut, first

    def paint(self, time):
        self.now = self.first if time < self.cut else self.second
        return self.now.paint(time)

    def detector(self, rgb):
        return self.now.detector(rgb)

    def __call__(self, rgb, region):
        return self.now(rgb, region)


@pytest.mark.parametrize("colour", [(220, 30, 40), (30, 60, 220)])
def test_a_track_ends_at_a_cut_and_whoever_comes_after_it_is_somebody_else(colour):
    """Both stand in the same place and wear, in one case, the same."""
    stands = Actor((220, 30, 40), lambda time: (300, 120))
    follows = Actor(colour, lambda time: (300 + 5 * (time - 1), 120))
    scene = Joined(Landscape(1, stands), Landscape(2, follows), 1.0)
    tracker = Tracker(scene.detector, scene)
    for index in range(2 * FPS):
        tracker.step(index, index / FPS, scene.paint(index / FPS))
    tracks, notes = tracker.finish()
    assert [track.frames.tolist() for track in tracks] == [list(range(FPS)), list(range(FPS, 2 * FPS))]
    assert any("1 cut:" in note and "new number" in note for note in notes)


def test_a_person_of_a_scene_that_is_short_is_kept():
    red, blue = (Actor(colour, lambda time: (300, 120)) for colour in ((220, 30, 40), (30, 60, 220)))
    scene = Joined(Landscape(1, red), Landscape(2, blue), 1.0)
    tracker = Tracker(scene.detector, scene)
    for index in range(FPS + 8):
        tracker.step(index, index / FPS, scene.paint(index / FPS))
    tracks, _ = tracker.finish()
    assert [len(track.frames) for track in tracks] == [FPS, 8]


def test_frames_between_lie_on_the_parabola_through_those_around_and_are_as_sure_as_the_less_sure():
    read, times, rows = np.array([0, 2, 3, 5, 7, 9, 11, 12]), np.arange(13) / 60, [0, 1, 2, 3, 4, 6, 7]

    def path(frames):
        t = torch.from_numpy(times[frames])
        return torch.stack([300 + 900 * t**2, 80 - 40 * t, 0.2 + t], -1)[:, None].repeat(1, 17, 1)

    seen = path(read[rows])
    landmarks = torch.cat([seen[..., :2], 1 + seen, seen], -1)[:, :1].repeat(1, 33, 1)
    landmarks[3, :, 2:5] = 0
    track = Track(torch.tensor(rows), seen[:, 0][:, [0, 1, 0, 1]], seen, landmarks)
    whole = with_frames_between(track, read, times)
    assert whole.frames.tolist() == [*range(8), 11, 12]
    inner = 4  # between two readings that have others on both sides
    torch.testing.assert_close(whole.keypoints_px[inner, :, :2], path([inner])[0, :, :2])
    torch.testing.assert_close(whole.box_px[inner], path([inner])[0, 0, [0, 1, 0, 1]])
    assert (whole.keypoints_px[[1, 6], :, :2] - path([1, 6])[..., :2]).abs().max() < 0.5  # the ends are a little off
    assert torch.equal(whole.keypoints_px[[1, 4, 6], :, 2], seen[[0, 2, 3], :, 2])  # here sureness grows
    assert whole.landmarks is not None
    known = (whole.landmarks[:, :, 2:5] != 0).all(-1).all(-1)
    assert known.tolist() == [True] * 4 + [False] * 3 + [True] * 3
    for name in ("box_px", "keypoints_px", "landmarks"):
        assert torch.equal(getattr(whole, name)[[0, 2, 3, 5, 7, 8, 9]], getattr(track, name))


@pytest.mark.parametrize("rows", [[2], [2, 3]])
def test_a_track_of_one_or_two_readings_has_those_between(rows):
    read, times = np.array([0, 2, 4, 6, 8]), np.arange(9) / 60
    seen = torch.tensor(times[read[rows]]).reshape(-1, 1, 1).repeat(1, 17, 3)
    whole = with_frames_between(Track(torch.tensor(rows), seen[:, 0].repeat(1, 2)[:, :4], seen), read, times)
    assert whole.frames.tolist() == list(range(read[rows[0]], read[rows[-1]] + 1))
    torch.testing.assert_close(whole.keypoints_px[:, 0, 0], torch.tensor(times[whole.frames.numpy()]))
