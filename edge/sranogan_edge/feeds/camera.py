"""Live pictures: a camera of this machine, a network stream, a GStreamer pipeline."""

from __future__ import annotations

from typing import Any

from sranogan_edge.feeds.video import VideoFeed, VideoOptions
from sranogan_edge.feeds.video_source import camera_source, gst_source, rtsp_source

__all__ = ["open_camera", "open_gst", "open_rtsp"]


def open_camera(device: str, **options: Any) -> VideoFeed:
    """Open ``/dev/video0`` or a camera's number; ``options`` are those of :class:`VideoOptions`."""
    return VideoFeed(camera_source(device), VideoOptions(**options))


def open_rtsp(uri: str, **options: Any) -> VideoFeed:
    """Open ``rtsp://HOST/PATH``; ``options`` are those of :class:`VideoOptions`."""
    return VideoFeed(rtsp_source(uri), VideoOptions(**options))


def open_gst(pipeline: str, **options: Any) -> VideoFeed:
    """Open a GStreamer pipeline that ends in ``appsink``; raises SettingsError where OpenCV has none."""
    return VideoFeed(gst_source(pipeline), VideoOptions(**options))
