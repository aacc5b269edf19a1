"""Laws of films and pictures of a motion, and what is said when one can't be made."""

from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from vibe.render import film as rendering
from vibe.render.film import render
from vibe.video.read import open_video
from vibe.video.write import VideoWriter

WIDTH, HEIGHT, FRAMES = 160, 120, 40


def frames_of(path: Path, pixels: str = "rgb24") -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format=pixels) for frame in container.decode(video=0)]


def picture(path: Path) -> np.ndarray:
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


@pytest.fixture
def draw(filmed, low, tmp_path):
    """Renders the two people in the grey video under a name; returns the path."""

    def drawn(name: str, video: bool = False, **wishes: object) -> Path:
        render(filmed, tmp_path / name, filmed.clip.path if video else None, body=low, **wishes)
        return tmp_path / name

    return drawn


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".webm"])
def test_a_film_has_the_video_s_frames_and_times(draw, filmed, ending):
    with open_video(draw(f"film{ending}", video=True)) as video:
        assert sum(1 for _ in video) == FRAMES
    times = video.clip().timestamps
    assert (video.width, video.height) == (WIDTH, HEIGHT)
    assert np.abs(times.numpy() - filmed.clip.timestamps).max() < 0.002


def test_panels_stand_side_by_side(draw):
    path = draw("film.mp4", video=True, layout="beside", view=("camera", "side"), size="64x48", end=0.2)
    frames = frames_of(path)
    assert frames[0].shape == (48, 3 * 64, 3)
    film, camera, side = np.split(frames[0].astype(int), 3, axis=1)
    assert np.abs(film - 128).max() < 12 and (camera[:6] > 240).all() and (side[:6, :10] > 240).all()
    assert (camera < 200).any() and (side < 200).any()


def test_over_the_video_only_the_camera_s_view_has_it_behind(draw):
    folder = draw("frames", video=True, view=("camera", "side"), end=0.0)
    camera, side = np.split(picture(folder / "000000.png"), 2, axis=1)
    assert np.abs(camera[0].astype(int) - 128).max() < 6 and (side[0, :10] == 255).all()


def test_a_stretch_of_time_and_a_rate_choose_the_frames(draw, filmed):
    folder = draw("frames", start=0.5, end=1.0, fps=10.0)
    assert sorted(path.name for path in folder.iterdir()) == [f"{k:06d}.png" for k in range(5)]
    with open_video(draw("film.mp4", start=0.5, end=1.0)) as video:
        count = sum(1 for _ in video)
    times = filmed.clip.timestamps
    assert count == ((times >= 0.5) & (times <= 1.0)).sum()
    assert video.clip().timestamps[-1] == pytest.approx(
        float(times[times <= 1.0][-1] - times[times >= 0.5][0]), abs=1e-3
    )


def test_a_picture_has_a_column_for_each_moment_and_a_row_for_each_panel(draw):
    strip = picture(draw("strip.png", view=("camera", "side"), size="40x30", columns=4))
    assert strip.shape == (2 * 30 + 2, 4 * 40 + 3 * 2, 3)
    one = picture(draw("one.png", view=("camera", "side"), size="40x30", columns=1))
    assert one.shape == (30, 2 * 40 + 2, 3)


def test_a_transparent_picture_is_empty_where_nobody_is_and_solid_where_somebody_is(draw):
    folder = draw("clear", background="transparent", end=0.0)
    opacity = picture(folder / "000000.png")[..., 3]
    assert (opacity[:4] == 0).all() and opacity.max() == 255 and 0.005 < (opacity == 255).mean() < 0.3
    frames = frames_of(draw("clear.mov", background="transparent", end=0.0), "rgba")
    assert np.abs(frames[0][..., 3].astype(int) - opacity).max() < 12
    (frame, *_) = frames_of(draw("clear.gif", background="transparent", end=0.3), "rgba")
    inside = cv2.erode((opacity == 255).astype(np.uint8), np.ones((3, 3)))
    assert set(np.unique(frame[..., 3])) == {0, 255} and (frame[..., 3][inside > 0] == 255).all()


def test_a_webm_keeps_its_opacity_for_those_who_read_it(draw):
    path = draw("clear.webm", background="transparent", end=0.0)
    with av.open(str(path)) as container:
        decoder = av.CodecContext.create("libvpx-vp9", "r")
        frames = [frame for packet in container.demux(video=0) if packet.size for frame in decoder.decode(packet)]
    opacity = frames[0].to_ndarray(format="rgba")[..., 3]
    assert opacity[:4].max() < 20 and opacity.max() > 235


@pytest.mark.parametrize("workers", [1, 3])
def test_it_is_the_same_on_any_number_of_threads(filmed, low, tmp_path, monkeypatch, workers):
    options = {"view": ("camera", "turn"), "size": "64x48", "fps": 10.0, "body": low}
    render(filmed, tmp_path / "two", **options)
    monkeypatch.setattr(rendering, "WORKERS", workers)
    render(filmed, tmp_path / "some", **options)
    for path in sorted((tmp_path / "two").iterdir()):
        assert path.read_bytes() == (tmp_path / "some" / path.name).read_bytes()


def test_one_person_is_drawn_as_among_others_and_keeps_the_colour(draw):
    everybody, second = (
        picture(draw(name, person=person, end=0.6, columns=20, ground=False))
        for name, person in (("all.png", None), ("second.png", 2))
    )
    right = np.arange(everybody.shape[1]) % (WIDTH + 2) > WIDTH // 2 + 15
    assert everybody.shape == second.shape and (everybody[:, right] == second[:, right]).all()
    left = np.arange(everybody.shape[1]) % (WIDTH + 2) < WIDTH // 2 - 15
    assert (second[:, left] > 250).all() and (everybody[:, left] < 200).any()


def test_cropped_pictures_hold_everybody(draw):
    whole, part = (picture(draw(f"{crop}.png", crop=crop, ground=False, columns=1)) for crop in (False, True))
    assert part.size < 0.9 * whole.size
    assert ((part < 250).any(-1)).sum() == pytest.approx((whole < 250).any(-1).sum(), rel=0.02)


def test_opacity_background_and_numbers_are_as_asked_for(draw):
    plain = picture(draw("plain.png", columns=1, ground=False))
    faint = picture(draw("faint.png", columns=1, ground=False, opacity=0.3))
    dark = picture(draw("dark.png", columns=1, ground=False, background="#102030"))
    named = picture(draw("named.png", columns=1, ground=False, numbers=True))
    assert (255.0 - faint).sum() == pytest.approx(0.3 * (255.0 - plain).sum(), rel=0.03)
    assert tuple(dark[0, 0]) == (0x30, 0x20, 0x10)
    assert (named != plain).any()


def test_the_video_is_left_out_of_a_motion_without_it(draw):
    assert (frames_of(draw("alone.mp4", end=0.0))[0][:4] > 250).all()


REFUSED = {
    "an ending that is not known": ("film.avi", {}, "choose .mp4"),
    "no transparency in mp4": ("film.mp4", {"background": "transparent"}, "choose a name that ends with .mov, .webm"),
    "a person who isn't there": ("a.mp4", {"person": 3}, "no person 3 in the motion: it has 1, 2"),
    "a time that isn't there": ("a.mp4", {"start": 99.0}, "between 0 and"),
    "nothing to show": ("a.mp4", {"show": ()}, "choose of mesh"),
    "keypoints from the side": ("a.mp4", {"show": "keypoints", "view": "side"}, "lie in the picture"),
    "a colour that isn't one": ("a.mp4", {"background": "mauve"}, "no background is called mauve"),
    "a size that isn't one": ("a.mp4", {"size": "big"}, "give 1280x720"),
    "a size too small": ("a.mp4", {"size": "4x4"}, "from 16 to 8192"),
    "no video to be over": ("a.mp4", {"layout": "over"}, "needs the video"),
    "an opacity of nothing": ("a.mp4", {"opacity": 0.0}, "above 0"),
    "no frames a second": ("a.mp4", {"fps": 0.0}, "above 0"),
    "no columns": ("a.png", {"columns": 0}, "1 to 50"),
    "too much for a gif": ("a.gif", {"size": "8192x8192"}, "too many for a gif"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_drawn_is_refused_and_nothing_is_written(draw, tmp_path, case):
    name, wishes, said = case
    with pytest.raises(ValueError, match=said):
        draw(f"new/{name}", **wishes)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def grey_video(path: Path, count: int, size: tuple[int, int] = (WIDTH, HEIGHT), step: float = 0.04) -> Path:
    with VideoWriter(path, *size, 25) as writer:
        for index in range(count):
            writer.write(np.full((*size[::-1], 3), 128, np.uint8), step * index)
    return path


@pytest.mark.parametrize(
    ("count", "size", "step", "said"),
    [
        (FRAMES, (128, 96), 0.04, "128x96 pixels, the motion's video 160x120"),
        (FRAMES - 5, (WIDTH, HEIGHT), 0.04, "35 frames, the motion's video 40"),
        (2 * FRAMES, (WIDTH, HEIGHT), 0.04, "80 frames, the motion's video 40"),
        (FRAMES, (WIDTH, HEIGHT), 0.08, "frame 1 is at 0.080 s, in the motion's video at 0.050 s"),
    ],
)
def test_another_video_than_the_motion_s_is_refused_and_nothing_is_written(filmed, tmp_path, count, size, step, said):
    video = grey_video(tmp_path / "other.mp4", count, size, step)
    for name in ("out.mp4", "out.gif", "out.png", "out"):
        with pytest.raises(ValueError, match=said):
            render(filmed, tmp_path / name, video)
    assert list(tmp_path.iterdir()) == [video]


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        (9.0, None, "from 9 s to the end: the video lies between 0 and "),
        (None, -1.0, "from the beginning to -1 s"),
        (9.0, 10.0, "from 9 s to 10 s"),
    ],
)
def test_a_stretch_without_frames_is_told_in_words(filmed, tmp_path, start, end, said):
    with pytest.raises(ValueError, match=f"there is no frame {said}"):
        render(filmed, tmp_path / "out.mp4", start=start, end=end)


def test_nobody_in_view_is_told_unless_the_video_is_there(filmed, tmp_path):
    with pytest.raises(ValueError, match="nobody is in view"):
        render(replace(filmed, people=()), tmp_path / "out.mp4")
    with pytest.raises(ValueError, match="nobody is in view"):
        render(filmed[5.0:], tmp_path / "out.mp4")
    render(replace(filmed, people=()), tmp_path / "out.mp4", filmed.clip.path, end=0.1)


def test_a_folder_with_something_in_it_and_a_file_that_is_one_are_not_written_into(filmed, low, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "a.mp4").mkdir()
    with pytest.raises(ValueError, match="not empty"):
        render(filmed, tmp_path / "full", body=low)
    with pytest.raises(OSError, match="is a folder"):
        render(filmed, tmp_path / "a.mp4", body=low)
    with pytest.raises(ValueError, match="would be overwritten"):
        render(filmed, filmed.clip.path, filmed.clip.path, body=low)
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("name", ["out.mp4", "out.webm", "out.gif", "out.png", "out"])
def test_who_interrupts_finds_nothing_half_written(filmed, low, tmp_path, name):
    def stop(stage, done, total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render(filmed, tmp_path / name, body=low, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_the_result_is_not_changed(filmed, low, tmp_path):
    before = [motion.joints_cam.copy() for motion in filmed.people]
    render(filmed, tmp_path / "a.png", body=low, view="turn")
    assert all(np.array_equal(motion.joints_cam, old) for motion, old in zip(filmed.people, before, strict=True))


def test_a_file_that_claims_years_asks_for_a_part(filmed, low, tmp_path):
    times = filmed.clip.timestamps.copy()
    times[-1] = 1e9
    years = replace(filmed, clip=replace(filmed.clip, timestamps=times))
    with pytest.raises(ValueError, match="take a part"):
        render(years, tmp_path / "out.gif", body=low, fps=25.0)
    assert list(tmp_path.iterdir()) == []


def test_points_that_are_not_finite_do_not_widen_a_crop(filmed, low, tmp_path):
    def lost(motion):
        joints_px = motion.joints_px.copy()
        joints_px[2, 5] = np.nan
        return replace(motion, joints_px=joints_px)

    render(replace(filmed, people=tuple(map(lost, filmed.people))), tmp_path / "a.png", body=low, crop=True)
    render(filmed, tmp_path / "b.png", body=low, crop=True)
    assert picture(tmp_path / "a.png").shape == picture(tmp_path / "b.png").shape
