"""A motion of two people that can be corrected, and who serves its page."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from inference.test_together import filmed
from quick_method import quick, waving

from vibe.body.load import load_body
from vibe.cache import StageCache, content_key
from vibe.editing import EditedFiles, Editor, EditServer
from vibe.edits.record import EditedVideo
from vibe.inference.refit import JointRefit, Refit
from vibe.inference.together import join_views
from vibe.inference.track import Tracking
from vibe.models.network import load_network
from vibe.records import Clip
from vibe.viewer import page

FRAMES = 24


@pytest.fixture(scope="session")
def method():
    return replace(quick(), body=load_body(detail="low"))


@pytest.fixture
def opened(method, tmp_path) -> Refit:
    video = tmp_path / "dance.mp4"
    video.write_bytes(b"no film")
    times = torch.arange(FRAMES, dtype=torch.float64) / 30
    found = Tracking(Clip(video, 30.0, 1280, 720, times, 0), [waving(FRAMES, 0), waving(FRAMES - 4, 1)], [])
    content = content_key(video)
    stages = StageCache(tmp_path / ".vibe" / "stages" / content[:32], method.config.keys(content))
    return Refit(method, EditedVideo(content, FRAMES, 1280, 720), found, stages)


@pytest.fixture
def files(tmp_path) -> EditedFiles:
    (tmp_path / "dance").mkdir()
    return EditedFiles(tmp_path / "dance" / "edits.json", tmp_path / "dance" / "motion_edited.npz")


@pytest.fixture
def opened_together(method, tmp_path) -> JointRefit:
    """A walk before two cameras."""
    reading = replace(method, network=load_network("open"))
    joined = join_views(filmed(reading.network, reading.body), reading.config, reading.network, reading.body)
    return JointRefit(
        reading, EditedVideo("0" * 64, 120, 480, 640), joined, StageCache(tmp_path, method.config.keys("0"))
    )


@pytest.fixture
def server(opened, files) -> Iterator[EditServer]:
    yield from served(opened, files)


@pytest.fixture
def server_together(opened_together, files) -> Iterator[EditServer]:
    yield from served(opened_together, files)


def served(opened: Refit | JointRefit, files: EditedFiles) -> Iterator[EditServer]:
    if not page.TEMPLATE.is_file():
        pytest.skip("vibe was installed without its page (npm could not fetch its packages)")
    with EditServer(Editor(opened, files, [], None)) as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.05,))
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


def names(files: EditedFiles) -> list[str]:
    return sorted(path.name for path in Path(files.edits).parent.iterdir())
