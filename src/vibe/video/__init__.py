"""Frames in and out; the only place that knows codecs and containers."""

SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".wmv", ".flv", ".ts", ".mts", ".m2ts"),
    *(".3gp", ".ogv", ".mxf", ".vob"),
)
"""How the names of videos end, where a folder is searched for them."""
