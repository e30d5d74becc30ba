"""Every error that a user can meet, and the exit code that each one ends a command with.

An error says what was wrong, what was received, and the cure. Commands print the message
alone (no traceback) and leave with :attr:`SranoganError.exit_code`.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes shared by every ``sranogan-*`` command."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    BAD_DATA = 3
    SOME_FAILED = 4
    BUNDLE_REFUSED = 5
    CANNOT_WRITE = 6
    BAD_RUN = 7
    NO_BACKEND = 8
    INTERRUPTED = 130


class SranoganError(Exception):
    """Root of the tree: catch this to catch everything that the package raises on purpose."""

    exit_code: ExitCode = ExitCode.UNEXPECTED


class SettingsError(SranoganError):
    """An option or a setting has a value that cannot work."""

    exit_code = ExitCode.USAGE


class StaleThresholdError(SettingsError):
    """A threshold was chosen by another calibration than the one that is in force; it was not applied."""


class DataError(SranoganError):
    """A data source cannot be used: missing, empty, mislabelled, or too much of it unreadable."""

    exit_code = ExitCode.BAD_DATA


class ImageError(DataError):
    """One image cannot be used. The rest of the feed goes on."""


class UnreadableImageError(ImageError):
    """The bytes are not an image that can be decoded (wrong type, truncated, corrupt)."""


class OversizedImageError(ImageError):
    """The header declares more pixels than the budget allows; nothing was decoded."""


class DecodingError(ImageError):
    """An image ended the process that decodes, or took longer in it than is allowed."""


class DegenerateImageError(ImageError):
    """The image decodes but carries nothing to judge (too small, or one constant value)."""


class PixelsError(ImageError):
    """An array, or what stands in its place, cannot be an image: its type, shape, depth or values."""


class BundleError(SranoganError):
    """A bundle is refused; nothing is scored with it."""

    exit_code = ExitCode.BUNDLE_REFUSED


class BundleFormatError(BundleError):
    """Not a bundle: not a zip file, a member is missing, or the manifest cannot be read."""


class BundleIntegrityError(BundleError):
    """A member's bytes differ from the SHA-256 that the manifest states."""


class BundleSchemaError(BundleError):
    """The bundle was written for another schema version than this runner reads."""


class BundleLimitError(BundleError):
    """A member is larger than the runner accepts."""


class BundleSignatureError(BundleError):
    """The bundle is not signed with the key that was named."""


class GoldenMismatchError(BundleError):
    """The backend in use does not reproduce the golden scores."""


class BundleCrashError(BundleError):
    """A bundle's graphs ended the process in which they were proven, or took too much in it."""


class CalibrationError(BundleError):
    """A site's calibration is refused: damaged, not signed with the key, or of another bundle or budget."""


class DecoderMissingError(SranoganError):
    """The process that decodes cannot be started; no image is at fault, and nothing is scored meanwhile."""

    exit_code = ExitCode.NO_BACKEND


class BackendError(SranoganError):
    """The backend is missing, cannot load a graph, or was asked for and fails; nothing is scored instead."""

    exit_code = ExitCode.NO_BACKEND


class ResultsError(SranoganError):
    """Results cannot be written (disk full, read-only, no such folder)."""

    exit_code = ExitCode.CANNOT_WRITE


class FeedError(DataError):
    """A feed cannot be opened, or ends where it should not: no such kind, folder or device."""


class MissingExtraError(SettingsError):
    """A part of the runner needs a package that is not installed; the message names the pip command."""


class UploadError(SranoganError):
    """What a program sent is not taken; nothing of it was scored but what the answer says."""


class TooLargeError(UploadError):
    """A request, or an image in it, is larger than is taken, or has too many."""


class MalformedUploadError(UploadError):
    """A request is not what it says it is: no image, no form, cut off, or too slow."""


class UploadTypeError(UploadError):
    """A request is of a type that is not taken."""


class TooBusyError(UploadError):
    """As much waits as may; the message says when to come again."""


class NotReadyError(UploadError):
    """Nothing is scored now; the message says why."""


class SpoolError(ResultsError):
    """The spool cannot be read or written, or was damaged."""


class SpoolFullError(SpoolError):
    """No room for one more object, or for a result; goes on once space is freed."""


class OutOfHandlesError(SpoolFullError):
    """This process may open no more files, or has no memory for them; goes on once it may."""


class SpoolInUseError(SpoolError):
    """Another runner holds the spool; the message names its process."""


class ObjectRefusedError(SpoolError):
    """One object will not be stored, however often it is sent; the message says why."""


class ObjectTooLargeError(ObjectRefusedError):
    """One object is larger than the spool accepts; it was not stored."""


class DicomResultError(ResultsError):
    """A result cannot be written as DICOM, or the archive does not take it."""


class DicomUnreachableError(DicomResultError):
    """The archive cannot be reached, or takes no such results now; none of them is at fault."""


class DicomRefusedError(DicomResultError):
    """The archive refused a result for good; sending it again changes nothing."""


class RunError(SranoganError):
    """A run folder cannot be used: unfinished, damaged, or made with other settings."""

    exit_code = ExitCode.BAD_RUN
