from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vibe.data.motion import HELD_OUT, find_motion, subject_of
from vibe.evaluate.open_benchmark_clips import Listing, clips_checksum, read_benchmark_clips, read_listing


def test_no_weights_are_trained_on_a_listed_clip() -> None:
    subjects = {subject_of(clip.name) for clip in read_listing().clips}
    solved_wrongly = {"cmu_115"}
    assert subjects == set(HELD_OUT) - solved_wrongly


def test_the_list_is_all_that_is_held_out_of_the_motion_file(shared: Path) -> None:
    path = shared / "data" / "motion" / read_listing().motion
    with np.load(path, allow_pickle=False) as file:
        held = [str(name) for name in file["names"] if subject_of(str(name)) in HELD_OUT]
    assert list(read_benchmark_clips(path, read_listing())) == held


def test_a_changed_number_in_a_clip_is_noticed(listing: Listing) -> None:
    path = find_motion(listing.motion)
    with np.load(path) as file:
        arrays = dict(file)
    arrays["poses"][40, 5] += np.float16(0.01)
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match="cmu_09_01"):
        read_benchmark_clips(path, listing)


def test_a_file_without_a_listed_clip_is_refused(listing: Listing) -> None:
    other = replace(listing, clips=(replace(listing.clips[0], name="cmu_03_99"),))
    with pytest.raises(ValueError, match="cmu_03_99"):
        read_benchmark_clips(find_motion(listing.motion), other)


def test_the_checksum_tells_names_shapes_and_numbers_apart_but_not_order_or_byte_order() -> None:
    one, two = np.arange(6.0), np.ones(3)
    same = clips_checksum({"b": two, "a": one})
    assert same == clips_checksum({"a": one.astype(">f8"), "b": two})
    others = [{"a": one, "c": two}, {"a": one.reshape(2, 3), "b": two}, {"a": one + 1e-9, "b": two}]
    assert same not in [clips_checksum(other) for other in others]
