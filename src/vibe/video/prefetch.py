"""Frames decoded in a thread of their own, while those before are looked at."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from vibe.video.read import Frame, Picture, Video

DEPTH = 3
"""Pictures decoded before they are asked for: enough to bridge a frame that takes long."""


def ahead(video: Video, depth: int = DEPTH) -> Generator[Frame, None, None]:
    """The frames of a video, as it gives them itself, decoded and turned upright up to `depth` frames early.

    What `video.clip()` and `video.notes` tell is that of the frames taken. An error of the decoder is raised where
    its frame would have come. The thread ends with the frames, or when the loop over them is left.
    """
    with closing(_in_thread(video.pictures(), depth)) as pictures:
        yield from video.taken(pictures)


def _in_thread(pictures: Generator[Picture, None, None], depth: int) -> Generator[Picture, None, None]:
    """The same pictures, made in a thread."""
    pool = ThreadPoolExecutor(1, "decoder")
    waiting = deque(pool.submit(next, pictures, None) for _ in range(depth))
    try:
        while (picture := waiting.popleft().result()) is not None:
            waiting.append(pool.submit(next, pictures, None))
            yield picture
    finally:
        pool.shutdown(cancel_futures=True)
