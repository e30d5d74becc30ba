"""What a camera, a stream or a video gives, from its first frame; or why it gives none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from sranogan_edge.errors import FeedError
from sranogan_edge.feeds.video import VideoFeedSettings

__all__ = ["Probe", "probe"]


@dataclass(frozen=True)
class Probe:
    """What was seen.

    Attributes:
        name: of the source, without credentials.
        width: of the first frame, in pixels, inside its region.
        height: of the same.
        channels: 1 or 3.
        fps: frames a second, as the source says; 0 where it does not.
        codec: four letters, as the source says; empty where it does not.
        brightness: mean of the first frame, 0 (black) to 1.
        opened_by: what opened it.
    """

    name: str
    width: int
    height: int
    channels: int
    fps: float
    codec: str
    brightness: float
    opened_by: str

    def lines(self) -> Iterator[str]:
        """Yield it for people."""
        yield f"{self.name}: it gives frames"
        yield f"size        {self.width} x {self.height} pixels, {'grey' if self.channels == 1 else 'colour'}"
        yield f"rate        {f'{self.fps:g} frames a second' if self.fps else 'it does not say'}"
        yield f"codec       {self.codec or 'it does not say'}"
        yield f"brightness  {self.brightness:.3f} of the first frame (0 is black, 1 is white)"
        yield f"opened by   {self.opened_by or 'OpenCV'}"


def probe(settings: VideoFeedSettings) -> Probe:
    """Open the source once, and look at its first frame.

    Raises:
        FeedError: it cannot be opened, or gives no frame; the message says why.
        SettingsError: OpenCV cannot open such sources here.
    """
    with closing(settings.open()) as feed:
        arrival = feed.first()
        frame = arrival.frame
        if frame is None:
            raise FeedError(f"{feed.name}: it ended before its first frame")
        pixels = frame.pixels
        return Probe(
            name=feed.name,
            width=pixels.shape[1],
            height=pixels.shape[0],
            channels=1 if pixels.ndim == 2 else pixels.shape[2],
            fps=float(feed.opened.get("fps", 0.0)),
            codec=str(feed.opened.get("codec", "")),
            brightness=float(pixels.mean()) / (2 ** (8 * pixels.dtype.itemsize) - 1),
            opened_by=str(feed.opened.get("backend", "")),
        )
