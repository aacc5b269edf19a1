"""Runs that keep their stages: what is there is used, what is not is computed, and the result is the same."""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from quick_method import quick, waving, with_sums
from torch import Tensor, nn
from two_views import two_views

from vibe.edits.record import Edit
from vibe.features import video_features
from vibe.inference import predict, refine, track
from vibe.inference.estimate import Estimator
from vibe.inference.refit import open_refit
from vibe.models.generator import VIBE
from vibe.models.gru import EncoderConfig, GRUEncoder
from vibe.models.network import load_network
from vibe.models.regressor import Regressor, RegressorConfig
from vibe.motion import Motion, Result, load
from vibe.records import Clip, Track, Weights
from vibe.refine.presets import SMOOTHING
from vibe.video import read
from vibe.video.read import Video
from vibe.video.stream import Mark
from vibe.video.write import VideoWriter

FRAMES = 90


@pytest.fixture
def film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that no decoder reads, so that only the first pass, which is told what it finds, can have seen it."""
    monkeypatch.setattr(track, "track_video", found)
    monkeypatch.setattr(refine, "SECTION", 40)
    monkeypatch.setattr(refine, "SHARED", 10)
    monkeypatch.setattr(predict, "CHUNK", 25)
    LOOKS.clear()
    (tmp_path / "film.mp4").write_bytes(b"no film")
    return tmp_path / "film.mp4"


LOOKS: list[Path] = []


def found(path: Path, *_: object) -> track.Tracking:
    LOOKS.append(path)
    times = torch.arange(FRAMES, dtype=torch.float64) / 30
    clip = Clip(path, 30.0, 1280, 720, times, 0)
    return track.Tracking(clip, [waving(FRAMES, 0), waving(30, 1)], ["one person left"])


def but(method: Estimator, sums: Mapping[str, str] | None = None, **options: Any) -> Estimator:
    """The same with other options, and what follows from them."""
    config = with_sums(replace(method.config, **options), **(sums or {}))
    smoothing = SMOOTHING[config.smoothing or "none"]
    fitting = method.refinement.fitting if config.fitting else None
    return replace(method, config=config, refinement=replace(method.refinement, smoothing=smoothing, fitting=fitting))


def same(one: Result, other: Result) -> bool:
    """Whether two results are equal bit for bit."""
    names = [field.name for field in fields(Motion) if field.name not in ("body", "smpl")]
    pairs = [(getattr(a, name), getattr(b, name)) for a, b in zip(one, other, strict=True) for name in names]
    pairs += [(x, y) for a, b in zip(one, other) for x, y in zip(vars(a.smpl).values(), vars(b.smpl).values())]
    return one.notes == other.notes and all(np.array_equal(*pair) for pair in pairs)


def kept(folder: Path) -> dict[str, int]:
    """How many files there are of each stage."""
    names = [file.parent.name.split("-")[0] for file in folder.rglob("*.safetensors")]
    return {name: names.count(name) for name in sorted(set(names))}


@pytest.fixture(scope="module")
def method() -> Estimator:
    return quick()


def test_kept_stages_change_no_bit(film: Path, method: Estimator, tmp_path: Path) -> None:
    alone = method.estimate(film)
    first = method.estimate(film, cache=tmp_path / "stages")
    again = method.estimate(film, cache=tmp_path / "stages")
    assert len(LOOKS) == 2 and same(alone, first) and same(first, again)
    assert kept(tmp_path / "stages") == {"motion": 6, "refinement": 4, "tracks": 1}


def test_a_changed_smoothing_runs_neither_the_detector_nor_the_network_nor_the_fit(
    film: Path, method: Estimator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    method.estimate(film, cache=tmp_path / "stages")
    strong = but(method, smoothing="strong")
    alone = strong.estimate(film)
    monkeypatch.setattr(refine, "fit", None)
    monkeypatch.setattr(predict, "predict_pieces", None)
    assert same(alone, strong.estimate(film, cache=tmp_path / "stages")) and len(LOOKS) == 2


@pytest.mark.parametrize("change", ["fov", "weights", "refinement"])
def test_another_lens_other_weights_or_fit_look_at_no_frame(
    change: str, film: Path, method: Estimator, tmp_path: Path
) -> None:
    method.estimate(film, cache=tmp_path / "stages")
    other = {
        "fov": but(method, fov_deg=80.0),
        "weights": but(method, {"weights": "0"}),
        "refinement": but(method, fitting=None),
    }[change]
    alone = other.estimate(film)
    assert same(alone, other.estimate(film, cache=tmp_path / "stages")) and len(LOOKS) == 2


def test_a_renamed_video_is_the_same_one_and_a_changed_one_another(
    film: Path, method: Estimator, tmp_path: Path
) -> None:
    method.estimate(film, cache=tmp_path / "stages")
    renamed = film.rename(tmp_path / "renamed.mp4")
    assert method.estimate(renamed, cache=tmp_path / "stages").clip.path == renamed and len(LOOKS) == 1
    renamed.write_bytes(b"other film")
    method.estimate(renamed, cache=tmp_path / "stages")
    assert len(LOOKS) == 2


def test_damaged_or_lost_pieces_are_computed_anew_with_a_note(film: Path, method: Estimator, tmp_path: Path) -> None:
    whole = method.estimate(film, cache=tmp_path / "stages")
    for number, file in enumerate(sorted((tmp_path / "stages").rglob("*.safetensors"))):
        if number % 2:
            file.write_bytes(file.read_bytes()[:-1])
        elif number % 4:
            file.unlink()
    mended = method.estimate(film, cache=tmp_path / "stages")
    assert same(whole, replace(mended, notes=whole.notes)) and len(LOOKS) <= 2
    more = [note for note in mended.notes if note not in whole.notes]
    assert more and all("damaged" in note for note in more)
    assert same(whole, method.estimate(film, cache=tmp_path / "stages"))


def test_an_interrupted_run_goes_on_where_it_was(
    film: Path, method: Estimator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, fit, fitted = method.estimate(film), refine.fit, []

    def counted(*given: Any) -> object:
        fitted.append(given)
        if len(fitted) == 3:
            raise KeyboardInterrupt
        return fit(*given)

    monkeypatch.setattr(refine, "fit", counted)
    with pytest.raises(KeyboardInterrupt):
        method.estimate(film, cache=tmp_path / "stages")
    assert same(whole, method.estimate(film, cache=tmp_path / "stages"))
    assert len(fitted) == 3 + 2 and len(LOOKS) == 2


def test_sections_join_without_a_seam(
    film: Path, method: Estimator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = replace(method, network=load_network())
    parts = real.estimate(film).people[0]
    monkeypatch.setattr(refine, "SECTION", 1000)
    whole = real.estimate(film).people[0]
    jerk, plain = (np.linalg.norm(np.diff(each.joints_cam, 2, 0), axis=-1).max() for each in (parts, whole))
    assert np.linalg.norm(parts.joints_cam - whole.joints_cam, axis=-1).mean() < 0.01
    assert jerk < 1.5 * plain


def brightness(crops: np.ndarray | Tensor) -> Tensor:
    """Stands in for the ResNet: how bright each crop is."""
    CROPS.append(len(crops))
    return torch.as_tensor(crops).float().mean((1, 2, 3))[:, None].expand(-1, 2048) / 255


CROPS: list[int] = []


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], tuple[Path, Estimator]]:
    """A film that shines, somebody in it, and a method that reads pictures."""
    path = tmp_path / "film.mp4"
    with VideoWriter(path, 64, 48, 30.0) as writer:
        for index in range(40):
            writer.write(np.full((48, 64, 3), 5 * index, np.uint8), index / 30)

    def follow(path: Path, *_: object) -> track.Tracking:
        times = torch.arange(40, dtype=torch.float64) / 30
        box_px = torch.tensor([32.0, 24.0, 10.0, 20.0])
        tracks = [
            Track(torch.arange(first, last), box_px.repeat(last - first, 1), torch.full((last - first, 17, 3), 0.5))
            for first, last in ((0, 40), (9, 30))
        ]
        return track.Tracking(Clip(path, 30.0, 64, 48, times, 0), tracks, [])

    monkeypatch.setattr(track, "track_video", follow)
    model = VIBE(nn.Identity(), GRUEncoder(EncoderConfig(hidden=16, layers=1)), Regressor(RegressorConfig(hidden=32)))
    nn.init.normal_(model.regressor.decpose.weight, std=0.1)
    network = replace(
        quick().network, model=model.eval().requires_grad_(False), evidence="images", extractor=brightness, window=0,
        about=Weights("test", "00", "free"),
    )  # fmt: skip
    CROPS.clear()
    return lambda: (path, replace(but(quick(smoothing="none", refine=False), {"backbone": "b"}), network=network))


def test_features_are_read_once_piece_by_piece_and_the_pass_goes_on(pictures, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(video_features, "CHUNK", 16)
    monkeypatch.setattr(predict, "CHUNK", 25)
    path, method = pictures()
    whole = method.estimate(path)
    assert sum(CROPS) == 61
    first = method.estimate(path, cache=tmp_path / "stages")
    assert same(whole, first) and sum(CROPS) == 122
    motions = [each for each in (tmp_path / "stages").iterdir() if each.name.startswith("motion")]
    features = sorted((tmp_path / "stages").glob("evidence-*/*.safetensors"))
    assert len(features) == 4
    for file in [*motions[0].iterdir(), features[2]]:
        file.unlink()
    assert same(whole, method.estimate(path, cache=tmp_path / "stages")) and sum(CROPS) == 122 + 16
    wider = but(method, fov_deg=70.0)
    wider.estimate(path, cache=tmp_path / "stages")
    assert sum(CROPS) == 122 + 16


def test_the_pass_over_the_pictures_goes_on_in_the_video(pictures, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(video_features, "CHUNK", 16)
    monkeypatch.setattr(video_features, "EVERY", 4)
    path, method = pictures()
    whole, opened = method.estimate(path), []

    def open_video(path: Path, after: Mark | None = None, fps: float | None = None) -> Video:
        opened.append(0 if after is None else len(after.times))
        return read.open_video(path, after, fps)

    monkeypatch.setattr(video_features, "open_video", open_video)

    def tired(crops: np.ndarray) -> Tensor:
        if sum(CROPS) >= 61 + 40:
            raise KeyboardInterrupt
        return brightness(crops)

    with pytest.raises(KeyboardInterrupt):
        killed = replace(method, network=replace(method.network, extractor=tired))
        killed.estimate(path, cache=tmp_path / "stages")
    assert same(whole, method.estimate(path, cache=tmp_path / "stages"))
    assert sum(CROPS) == 61 + 40 + 61 - 32 and opened == [0, 20]


def test_several_people_at_once_change_no_bit(film: Path, method: Estimator, tmp_path: Path) -> None:
    alone, told = method.estimate(film), []
    torch.set_num_threads(3)
    try:
        together = method.estimate(film, progress=lambda *state: told.append(state))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(1)
    assert same(alone, together)
    assert [state[1] for state in told] == sorted(state[1] for state in told) and told[-1] == ("motion", 120, 120)


def test_a_fault_in_one_thread_stops_all(film: Path, method: Estimator, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(refine, "fit", full)
    torch.set_num_threads(2)
    try:
        with pytest.raises(OSError, match="No space"):
            method.estimate(film)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


SWAP = Edit("swap_sides", {"person": 2, "first": 5, "last": 20})


@pytest.fixture
def opened(film, method, tmp_path):
    """A motion whose stages are kept, and what corrects it."""
    result = method.estimate(film, cache=tmp_path / "stages")
    return result, open_refit(result, [film], method, tmp_path / "stages")


def test_without_corrections_it_is_the_same_motion_and_with_some_only_they_are_solved(opened, monkeypatch):
    result, refit = opened
    assert same(result, refit.solve([])) and len(LOOKS) == 1
    fits, fit = [], refine.fit
    monkeypatch.setattr(refine, "fit", lambda start, *rest: fits.append(len(start.pelvis)) or fit(start, *rest))
    one = refit.solve([SWAP])
    assert fits == [30] and len(LOOKS) == 1, "the second person's frames alone"
    assert not np.array_equal(one.people[1].keypoints_px, result.people[1].keypoints_px)
    named = refit.solve([SWAP, Edit("name", {"person": 1, "name": "Anna"})])
    assert fits == [30] and named.people[0].name == "Anna", "what was solved once is kept"
    assert np.array_equal(one.people[1].smpl.rotmat, named.people[1].smpl.rotmat)
    assert one.notes[-1] == "1 correction by hand"


def test_a_point_is_in_the_result_where_it_was_put_as_sure_as_can_be(opened):
    moved = Edit("move_point", {"person": 1, "frame": 30, "point": "left_wrist", "x_px": 500.0, "y_px": 300.0})
    seen = opened[1].solve([moved]).people[0]
    assert np.allclose(seen.keypoints_px[30, 9], [500, 300, 1])
    assert seen.keypoints_px[..., 2].max() == 1 and seen.confidence.max() <= 1


def test_the_name_is_in_the_file(opened, tmp_path):
    opened[1].solve([Edit("name", {"person": 1, "name": "Ånna"})]).save(tmp_path / "motion.npz")
    assert [one.name for one in load(tmp_path / "motion.npz")] == ["Ånna", ""]


def test_people_who_are_joined_split_and_gone_have_the_numbers_that_are_told(opened):
    frames = [one.frames.tolist() for one in opened[1].solve([Edit("split", {"person": 1, "frame": 40})])]
    assert frames == [list(range(40)), list(range(30)), list(range(40, FRAMES))]
    (joined,) = opened[1].solve([Edit("join", {"person": 2, "other": 1})])
    assert joined.frames.tolist() == list(range(FRAMES))
    assert len(opened[1].solve([Edit("delete", {"person": 1}), Edit("delete", {"person": 1})])) == 0
    assert [len(one) for one in opened[1].solve([Edit("trim", {"first": 3, "last": 3})])] == [1, 1]


def test_a_foot_stands_where_it_is_said_and_the_floor_is_where_it_is_said(opened):
    result, refit = opened
    said = refit.solve([Edit("foot_stands", {"person": 1, "foot": "right", "first": 30, "last": 50})])
    contacts = said.people[0].contacts
    assert contacts is not None and (contacts[30:51, 2:] == 1).all()
    frame = 12
    floor = refit.solve([Edit("floor_here", {"person": 2, "frame": frame})])
    assert floor.world is not None and result.world is not None and floor.world.floor == "feet"
    lowest = floor.people[1].joints_world[frame, [10, 11], 2].min()
    assert 0 <= lowest < 0.12, "metres from a foot's joint to the sole"
    still = refit.solve([Edit("camera_still", {})])
    assert still.world is not None and still.world.camera == "still"


def test_what_cannot_be_corrected_is_refused(opened, film, method, tmp_path):
    result, refit = opened
    with pytest.raises(FileNotFoundError, match="--keep-stages"):
        open_refit(result, [film], method, tmp_path / "elsewhere")
    short = replace(result, clip=replace(result.clip, timestamps=result.clip.timestamps[:-1]))
    with pytest.raises(ValueError, match="another video than the motion's"):
        open_refit(short, [film], method, tmp_path / "stages")
    with pytest.raises(ValueError, match="the motion is of 2 videos, 1 was given"):
        open_refit(replace(result, views=two_views().views), [film], method, tmp_path / "stages")
    flat = quick(world=False)
    with pytest.raises(ValueError, match="edit 2, camera_still, is of the world: leave --no-world out"):
        replace(refit, estimator=flat).solve([SWAP, Edit("camera_still", {})])
    images = replace(method, network=replace(method.network, evidence="images"))
    with pytest.raises(ValueError, match="read pictures"):
        replace(refit, estimator=images).solve([SWAP])
