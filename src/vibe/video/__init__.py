"""Frames in and out; the only place that knows codecs and containers."""

from vibe.video.gif import GifWriter
from vibe.video.read import Frame, Video, count_frames, open_video
from vibe.video.write import VideoWriter

__all__ = ["Frame", "GifWriter", "Video", "VideoWriter", "count_frames", "open_video"]
