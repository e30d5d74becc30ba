"""What programs may send."""

from __future__ import annotations

from dataclasses import dataclass

from sranogan_edge.errors import SettingsError
from sranogan_edge.option import Options, option

__all__ = ["UploadSettings"]


@dataclass(frozen=True)
class UploadSettings(Options):
    """What programs may send to POST /v1/score; answers are not kept.

    Attributes:
        max_waiting: requests at once; one more is answered 429, with the seconds to wait.
        max_images: in one request.
        max_image_bytes: of one image or DICOM object.
        max_request_bytes: of one request.
        max_held_bytes: of all images that wait, in memory; one more is answered 429.
    """

    max_waiting: int = option(32, least=1)
    max_images: int = option(1000, least=1)
    max_image_bytes: int = option(67_108_864, least=1024)
    max_request_bytes: int = option(1_073_741_824, least=1024)
    max_held_bytes: int = option(268_435_456, least=1024)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_image_bytes > min(self.max_request_bytes, self.max_held_bytes // 2):
            raise SettingsError(
                f"max_image_bytes is {self.max_image_bytes:,}: no more than max_request_bytes and half of "
                "max_held_bytes (one comes while another is scored), or such an image is never taken"
            )
