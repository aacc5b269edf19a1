"""Some of the scenes in which a command breaks; `make faults` plays them all."""

from dataclasses import replace

import performers
import pytest
import torch
from faults import kit, scenes

from vibe import assets
from vibe.body import load_body


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """What the scenes share, made once."""
    try:
        for name in assets.MODELS:
            assets.find_model(name)
    except FileNotFoundError as error:
        pytest.skip(str(error))
    return tmp_path_factory.mktemp("shared")


@kit.linux_only
def test_an_export_that_breaks_says_so_in_one_line_leaves_nothing_and_succeeds_the_next_time(tmp_path, shared):
    assert "space" in scenes.SCENES["export bvh, all faults"](scenes.Stage(tmp_path, shared))


@kit.linux_only
def test_an_estimate_without_memory_says_so_in_one_line_and_leaves_nothing(tmp_path, shared):
    stage = scenes.Stage(tmp_path, shared)
    done = kit.run("estimate", stage.clip, "-o", tmp_path / "out", memory=100 << 20)
    assert stage.failed(done, "memory") and kit.leftovers(tmp_path, (".vibe",)) == []


@kit.linux_only
def test_a_run_whose_disk_is_full_is_trained_to_the_same_weights_once_there_is_room(tmp_path, shared):
    assert "space" in scenes.train_full(scenes.Stage(tmp_path, shared))


def test_results_are_the_same_wherever_their_videos_lie_and_others_are_not(tmp_path):
    body = load_body(detail="low")
    result = performers.show(body, performers.performer(body, torch.arange(5)), fps=30)
    elsewhere = replace(result, clip=replace(result.clip, path=tmp_path / "elsewhere.mp4"))
    moved = replace(result, people=(replace(result.people[0], transl=result.people[0].transl + 1e-6),))
    for name, each in {"motion": result, "elsewhere": elsewhere, "moved": moved}.items():
        each.save(tmp_path / f"{name}.npz")
    stage = scenes.Stage(tmp_path, tmp_path)
    vars(stage)["motion"] = tmp_path / "motion.npz"
    assert stage.same_motion(tmp_path / "elsewhere.npz") and not stage.same_motion(tmp_path / "moved.npz")
