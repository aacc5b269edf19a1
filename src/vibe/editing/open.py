"""A motion with its video and its tracks, opened to be corrected."""

from __future__ import annotations

from pathlib import Path

from vibe.arrays import as_numpy
from vibe.batch.manifest import MOTION
from vibe.batch.storage import OutputStorage
from vibe.cache import content_key
from vibe.editing.server import EditedFiles, Editor
from vibe.inference.config import EstimatorConfig
from vibe.inference.estimate import load_estimator
from vibe.inference.refit import Refit, open_refit
from vibe.motion import Result
from vibe.records import Progress
from vibe.viewer.page import TooLarge, read_film


def files_beside(motion: Path) -> EditedFiles:
    """Where edits of a motion and the new one are kept, unless somebody says otherwise."""
    return EditedFiles(motion.with_name("edits.json"), motion.with_name(f"{motion.stem}_edited.npz"))


def open_motion(
    motion: Path, result: Result, video: Path, config: EstimatorConfig, progress: Progress | None = None,
    anew: bool = False, advice: str = "give it those that it had",
) -> Refit:  # fmt: skip
    """What corrects a motion file, which holds `result`; raises OSError or ValueError if video or tracks aren't here.

    Tracks that are not here are made `anew`; `advice` is for a motion of other options or another version.
    """
    content, estimator = content_key(video), load_estimator(config)
    manifest = OutputStorage(str(motion.parent)).look(".")
    known = manifest if motion.name == MOTION and manifest and manifest.content == content else None
    if known and known.keys[MOTION] != estimator.config.keys(content)["result"]:
        raise ValueError(f"{motion} was made with other options, or by another version: {advice}")
    places = [OutputStorage(str(folder)).stages(content) for folder in motion.absolute().parents]
    folder = next((place for place in places if place and place.is_dir()), None) or places[min(1, len(places) - 1)]
    assert folder is not None, "a folder of this machine has stages"
    return open_refit(result, video, estimator, folder, progress, anew)


def open_editor(opened: Refit, files: EditedFiles, progress: Progress | None = None) -> tuple[Editor, str]:
    """What is served as a page, with the video unless a note says why not; raises OSError or ValueError."""
    clip = as_numpy(opened.found.clip)
    film, note = None, ""
    try:
        film = read_film(clip.path, clip, progress=progress)
    except TooLarge as error:
        note = f"the page shows the bodies alone: {error}"
    return Editor(opened, files, film, progress), note
