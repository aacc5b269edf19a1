"""Frames in and out; the only place that knows codecs and containers."""

from vibe.video.gif import GifWriter
from vibe.video.read import SUFFIXES, Frame, Video, ahead, count_frames, open_video
from vibe.video.stream import Mark
from vibe.video.write import VideoWriter

__all__ = ["SUFFIXES", "Frame", "GifWriter", "Mark", "Video", "VideoWriter", "ahead", "count_frames", "open_video"]
