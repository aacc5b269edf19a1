"""A motion with its videos and their tracks, opened to be corrected."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vibe.arrays import as_numpy
from vibe.batch.manifest import MOTION
from vibe.batch.storage import OutputStorage
from vibe.cache import content_key
from vibe.editing.server import EditedFiles, Editor
from vibe.inference.config import EstimatorConfig
from vibe.inference.estimate import load_estimator
from vibe.inference.refit import JointRefit, Refit, open_refit
from vibe.inference.together import FOLDER
from vibe.motion import Result
from vibe.records import Progress
from vibe.viewer.page import LIMIT_MB, TooLarge, read_film


def files_beside(motion: Path) -> EditedFiles:
    """Where edits of a motion and the new one are kept, unless somebody says otherwise."""
    return EditedFiles(motion.with_name("edits.json"), motion.with_name(f"{motion.stem}_edited.npz"))


def open_motion(
    motion: Path, result: Result, videos: Sequence[Path], config: EstimatorConfig, progress: Progress | None = None,
    anew: bool = False, advice: str = "give it those that it had",
) -> Refit | JointRefit:  # fmt: skip
    """What corrects a motion file, which holds `result`; raises OSError or ValueError if video or tracks aren't here.

    Of a motion of several videos `videos` are all of them. Tracks that are not here are made `anew`; `advice` is for a
    motion of other options or another version.
    """
    content, estimator = content_key(videos[0]), load_estimator(config)
    manifest = OutputStorage(str(motion.parent)).look(".")
    known = manifest if motion.name == MOTION and manifest and manifest.content == content else None
    if known and known.keys[MOTION] != estimator.config.keys(content)["result"]:
        raise ValueError(f"{motion} was made with other options, or by another version: {advice}")
    name = FOLDER if result.views else content
    places = [OutputStorage(str(folder)).stages(name) for folder in motion.absolute().parents]
    folder = next((place for place in places if place and place.is_dir()), None) or places[min(1, len(places) - 1)]
    assert folder is not None, "a folder of this machine has stages"
    return open_refit(result, videos, estimator, folder, progress, anew)


def open_editor(opened: Refit | JointRefit, files: EditedFiles, progress: Progress | None = None) -> tuple[Editor, str]:
    """What is served as a page, with the videos unless a note says why not; raises OSError or ValueError."""
    clips, films, note = [as_numpy(clip) for clip in opened.clips], [], ""
    try:
        films = [read_film(clip.path, clip, LIMIT_MB / len(clips), progress) for clip in clips]
    except TooLarge as error:
        note = f"the page shows the bodies alone: {error}"
    return Editor(opened, files, films, progress), note
