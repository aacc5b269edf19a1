"""Many videos of which some are broken, whose work is killed: the small version of tests/faults/many_videos.py."""

from pathlib import Path

import pytest
from faults import kit
from faults.many_videos import Watch, judge, write_videos

from vibe import assets


@pytest.fixture(scope="module")
def models() -> None:
    try:
        for name in assets.MODELS:
            assets.find_model(name)
    except FileNotFoundError as error:
        pytest.skip(str(error))


@kit.linux_only
def test_a_run_that_is_killed_with_all_its_workers_is_finished_by_the_next_and_nothing_is_done_twice(
    tmp_path: Path, models: None
) -> None:
    folder, out = tmp_path / "videos", tmp_path / "out"
    right, wrong = write_videos(folder, 12, 3, seconds=0.4, places=2)
    command = ("estimate", folder, "-o", out, "--workers", 2, "--no-overlay")
    watch = Watch(out)
    with watch.looking():
        process = kit.begin(*command)
        assert kit.wait_for(lambda: len(list(out.glob("*/*/summary.json"))) >= 1, process)
        kit.kill_all(process)
        assert kit.run(*command).code == 1
    found = judge(folder, out, right, wrong, ("motion.npz", "summary.json"))
    assert (found.pop("results"), found.pop("named failures")) == (9, 3)
    assert found == dict.fromkeys(found, [])
    assert watch.again == watch.wrong == []
