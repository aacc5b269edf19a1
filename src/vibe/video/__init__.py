"""Frames in and out; the only place that knows codecs and containers."""

from vibe.video.read import Frame, Video, open_video
from vibe.video.write import VideoWriter

__all__ = ["Frame", "Video", "VideoWriter", "open_video"]
