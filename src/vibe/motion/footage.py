"""The frames that a motion was found in, from its video."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vibe.records import Clip
from vibe.video.read import Frame, Video, count_packets, open_video

SPARE = 0.02
"""Share of packets that may not have been decoded when the motion was found."""


def open_footage(path: Path | str, clip: Clip) -> Video:
    """The video of a motion; raises FileNotFoundError or ValueError if it can't be read or is another one."""
    expected, (before, after) = len(clip.timestamps), count_packets(path)
    if not expected - before <= after <= expected + clip.damaged + 2 + SPARE * expected:
        raise _misfit(path, f"it has {before + after} frames, the motion's video {expected}")
    steps = np.diff(clip.timestamps)
    video = open_video(path, fps=float(1 / np.median(steps)) if len(steps) else None)
    if (video.width, video.height) != (clip.width, clip.height):
        video.close()
        its, ours = f"{video.width}x{video.height}", f"{clip.width}x{clip.height}"
        raise _misfit(path, f"it has {its} pixels, the motion's video {ours}")
    return video


def video_frames(video: Video, clip: Clip) -> Iterator[Frame]:
    """Its frames, one for each of the clip's; raises ValueError where they are not at the times of the motion's."""
    late = 0.5 / max(clip.fps, 1e-3)
    expected, shown = clip.timestamps.tolist(), 0
    for time, frame in zip(expected, video):
        if abs(frame.time - time) > late:
            where = f"frame {shown} is at {frame.time:.3f} s, in the motion's video at {time:.3f} s"
            raise _misfit(video.path, where)
        yield frame
        shown += 1
    if shown < len(expected):
        raise _misfit(video.path, "it ends before the motion does")


def _misfit(path: Path | str, how: str) -> ValueError:
    return ValueError(f"{path} does not fit the motion: {how}: give the video that the motion was made from")
