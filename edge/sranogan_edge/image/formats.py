"""The image formats that are read: suffixes of their files' names, and how the files begin."""

from __future__ import annotations

__all__ = ["FORMATS", "IMAGE_SUFFIXES", "NAMED_FORMATS", "SIGNATURES", "SIGNATURE_BYTES"]

IMAGE_SUFFIXES = frozenset(
    {  # in lower case; those of DICOM too
        *(".bmp", ".dcm", ".dicom", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".png"),
        *(".tif", ".tiff", ".webp"),
    }
)

FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "TIFF", "WEBP")  # as Pillow calls them
NAMED_FORMATS = "JPEG, PNG, TIFF, BMP, GIF, WebP or JPEG 2000"
SIGNATURES = (
    *(b"BM", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"RIFF"),
    *(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),
)
SIGNATURE_BYTES = 12
