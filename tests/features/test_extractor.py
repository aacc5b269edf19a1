import numpy as np
import pytest
import torch
from torch import Tensor

from vibe.cameras import CROP_SCALE
from vibe.features.extractor import MEAN_RGB, SIDE, STD_RGB, Extractor, FeatureReader, cut
from vibe.features.resnet import FEATURES, ResNet50
from vibe.records import Track


def track(*frames: int, seed: int = 0) -> Track:
    draw = torch.Generator().manual_seed(seed)
    box = torch.rand(len(frames), 4, generator=draw) * 60 + 30
    return Track(torch.tensor(frames, dtype=torch.int64), box, torch.rand(len(frames), 17, 3, generator=draw))


class Mean:
    """A stand-in for the network: the mean colour, and how many crops came at once."""

    def __init__(self) -> None:
        self.counts: list[int] = []

    def __call__(self, crops: np.ndarray) -> Tensor:
        self.counts.append(len(crops))
        colour = torch.from_numpy(crops).double().mean((1, 2)).float()
        return torch.nn.functional.pad(colour, (0, FEATURES - 3))


def read(tracks: list[Track], frames: np.ndarray, batch: int) -> tuple[tuple[Tensor, ...], Mean]:
    network = Mean()
    reader = FeatureReader(tracks, network, batch)
    for index, rgb in enumerate(frames):
        reader.step(index, rgb)
    return reader.finish(), network


def test_made_to_run_it_equals_the_plain_network_and_leaves_that_alone(network: ResNet50) -> None:
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    extractor = Extractor(network.train())
    crops = torch.randint(0, 256, (3, 224, 224, 3), dtype=torch.uint8)
    kept = crops.clone()
    fast = extractor(crops)
    assert network.training and torch.equal(crops, kept) and not fast.requires_grad
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    normal = (crops - torch.tensor(MEAN_RGB)) / torch.tensor(STD_RGB)
    with torch.no_grad():
        plain = network.eval()(normal.permute(0, 3, 1, 2).contiguous())
    torch.testing.assert_close(fast, plain, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(extractor(crops[1:2].numpy()), fast[1:2], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("batch", [1, 3, 8, 100])
def test_each_frame_of_each_track_gets_its_own_feature_whatever_the_batch(frames: np.ndarray, batch: int) -> None:
    tracks = [track(0, 1, 2, 3, seed=1), track(2, 5, 8, seed=2), track(4, seed=3), track(1, 2, 3, 4, 5, 6, seed=4)]
    found, network = read(tracks, frames, batch)
    assert [len(features) for features in found] == [4, 3, 1, 6]
    for one, features in zip(tracks, found, strict=True):
        alone = [Mean()(cut(frames[frame], box[None])) for frame, box in zip(one.frames, one.box_px, strict=True)]
        torch.testing.assert_close(features, torch.cat(alone))
    assert sum(network.counts) == 14 and max(network.counts) <= batch and set(network.counts[:-1]) <= {batch}


def test_a_crowd_larger_than_the_batch_is_read_in_parts(frames: np.ndarray) -> None:
    found, network = read([track(0, seed=seed) for seed in range(7)], frames[:1], 3)
    assert len(found) == 7 and network.counts == [3, 3, 1]


def test_without_people_nothing_is_read(frames: np.ndarray) -> None:
    found, network = read([], frames[:2], 4)
    assert found == () and network.counts == []
    (empty,), network = read([track()], frames[:2], 4)
    assert empty.shape == (0, FEATURES) and network.counts == []


def test_frames_without_people_may_be_left_out(frames: np.ndarray) -> None:
    one = track(1, 4)
    reader = FeatureReader([one], Mean(), 8)
    reader.step(1, frames[1])
    reader.step(4, frames[4])
    torch.testing.assert_close(reader.finish()[0], read([one], frames, 8)[0][0])


def test_a_track_beyond_the_frames_that_came_is_an_error_that_names_it(frames: np.ndarray) -> None:
    with pytest.raises(ValueError, match="person 2 is in frame 5, but the last frame given was 3"):
        read([track(0, 1), track(2, 5)], frames[:4], 8)
    with pytest.raises(ValueError, match="person 1 is in frame 0, but no frame was given"):
        read([track(0)], frames[:0], 8)


def test_frames_out_of_order_or_left_out_are_errors(frames: np.ndarray) -> None:
    reader = FeatureReader([track(1, 2)], Mean(), 8)
    reader.step(0, frames[0])
    with pytest.raises(ValueError, match="person 1 is in frame 1, but frame 2 came after frame 0"):
        reader.step(2, frames[2])
    reader.step(1, frames[1])
    with pytest.raises(ValueError, match="frame 1 came after frame 1"):
        reader.step(1, frames[1])


def test_a_box_that_cannot_be_cut_names_its_frame(frames: np.ndarray) -> None:
    bad = Track(torch.tensor([3]), torch.full((1, 4), torch.nan), torch.zeros(1, 17, 3))
    reader = FeatureReader([bad], Mean(), 8)
    with pytest.raises(ValueError, match="frame 3: box 0 of 1 is .*nan"):
        reader.step(3, frames[0])


def test_a_batch_of_none_is_refused() -> None:
    with pytest.raises(ValueError, match="choose a batch"):
        FeatureReader([], Mean(), 0)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 256, (height, width, 3), np.uint8)


def boxes(*rows: tuple[float, float, float, float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float32).reshape(-1, 4)


def test_a_crop_of_its_own_size_is_a_piece_of_the_picture() -> None:
    rgb = noise(300, 400)
    box = boxes((200, 150, SIDE / CROP_SCALE, 100))
    np.testing.assert_array_equal(cut(rgb, box)[0], rgb[150 - 112 : 150 + 112, 200 - 112 : 200 + 112])


def test_beyond_the_border_it_is_black() -> None:
    rgb = noise(300, 400)
    left, outside = cut(rgb, boxes((0, 150, SIDE / CROP_SCALE, 100), (-500, -500, 90, 90)))
    assert not left[:, :112].any() and left[:, 112:].all()
    assert not outside.any()


def test_only_the_longer_side_of_a_box_counts() -> None:
    wide, tall, square = cut(noise(300, 400), boxes((180, 140, 150, 20), (180, 140, 20, 150), (180, 140, 150, 150)))
    np.testing.assert_array_equal(wide, square)
    np.testing.assert_array_equal(tall, square)


def test_people_are_cut_one_by_one_and_the_picture_stays_as_it_is() -> None:
    rgb, people = noise(200, 300), boxes((50, 60, 70, 80), (150, 100, 400, 30), (250.5, 10.25, 33, 44))
    before = rgb.copy()
    together = cut(rgb, people)
    for crop, box in zip(together, people, strict=True):
        np.testing.assert_array_equal(cut(rgb, box[None])[0], crop)
    np.testing.assert_array_equal(rgb, before)
    assert cut(rgb, boxes()).shape == (0, SIDE, SIDE, 3)


@pytest.mark.parametrize("bad", [(np.nan, 5, 9, 9), (5, np.inf, 9, 9), (5, 5, 0, 0), (5, 5, -3, -4), (5, 5, np.inf, 9)])
def test_a_box_without_size_or_place_is_refused(bad: tuple) -> None:
    with pytest.raises(ValueError, match="box 1 of 2 .* crop needs"):
        cut(noise(20, 30), boxes((10, 10, 9, 9), bad))
