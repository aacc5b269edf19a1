"""C3D: joints and markers on the skin with what was seen of them, and the events of a walk; by ezc3d."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from vibe import __version__, assets
from vibe.body.markers import MARKERS, marker_places
from vibe.body.record import Body
from vibe.errors import needs_extra
from vibe.motion.scene import Character, Scene
from vibe.skeletons import SMPL

MOST_FRAMES = 65535
"""What the head of a file can count to."""
MOST_EVENTS = 255
"""What a parameter can hold: two minutes of walking; the table of a gait has all."""
EVENTS = {"strike": "Foot Strike", "off": "Foot Off"}
SCREEN = {"y": "+Y", "z": "+Z"}


def write_c3d(path: Path, scene: Scene, character: Character, body: Body) -> None:
    """One person, SMPL's joints and `MARKERS` as points, millimetres, the scene's rate; raises OSError.

    Frames count from the scene's first, so that the files of several people go together. Where the person was not seen
    points are 0 with the residual -1, else it is 0. The first 255 strikes and offs of feet are events. Written whole or
    not at all; raises ValueError for more frames than a file can hold, ImportError without ezc3d.
    """
    with needs_extra("C3D", "ezc3d", "c3d"):
        import ezc3d
    if character.first + len(character.joints) > MOST_FRAMES:
        raise ValueError(
            f"person {character.number} has {len(character.joints)} frames and C3D holds {MOST_FRAMES}: take a part, "
            "by --start and --end, or fewer frames a second by --fps"
        )
    points_mm = 1000 * np.concatenate([character.joints, marker_places(body, character.smpl)], 1)
    unseen = character.confidence == 0
    points_mm[unseen] = 0
    content: Any = ezc3d.c3d()
    homogeneous = np.concatenate([points_mm, np.ones_like(points_mm[..., :1])], -1)
    content["data"]["points"] = homogeneous.transpose(2, 1, 0).astype(np.float64)
    content["data"]["meta_points"]["residuals"] = np.tile(np.where(unseen, -1.0, 0.0), (1, points_mm.shape[1], 1))
    content["header"]["points"]["first_frame"] = character.first
    own = content["parameters"]["POINT"]
    own["RATE"]["value"], own["UNITS"]["value"] = [scene.fps], ["mm"]
    own["LABELS"]["value"] = [*SMPL, *MARKERS]
    own["DESCRIPTIONS"]["value"] = ["joint of SMPL"] * len(SMPL) + ["virtual marker on the skin"] * len(MARKERS)
    content.add_parameter("POINT", "X_SCREEN", ["+X"])
    content.add_parameter("POINT", "Y_SCREEN", [SCREEN[scene.up]])
    content.add_parameter("MANUFACTURER", "SOFTWARE", ["vibe"])
    content.add_parameter("MANUFACTURER", "VERSION_LABEL", [__version__])
    content.add_parameter("SUBJECTS", "NAMES", [f"person {character.number}"])
    walk = scene.gait(character)
    if walk is not None and walk.events:
        _add_events(content, walk.events[:MOST_EVENTS], f"person {character.number}")
    with TemporaryDirectory() as folder:
        part = Path(folder) / "part.c3d"
        content.write(str(part))
        assets.write_whole(path, part.read_bytes())


def _add_events(content: Any, events: Sequence[tuple[float, str, str]], subject: str) -> None:
    """Times as minutes and seconds, sides as contexts."""
    minutes_seconds = np.array([divmod(time, 60) for time, _, _ in events]).T
    content.add_parameter("EVENT", "USED", len(events))
    content.add_parameter("EVENT", "TIMES", minutes_seconds)
    content.add_parameter("EVENT", "CONTEXTS", [side.capitalize() for _, side, _ in events])
    content.add_parameter("EVENT", "LABELS", [EVENTS[kind] for _, _, kind in events])
    content.add_parameter("EVENT", "SUBJECTS", [subject] * len(events))
    content.add_parameter("EVENT", "ICON_IDS", [1 + list(EVENTS).index(kind) for _, _, kind in events])
