"""Why an upload was refused: one class per stable code, each message saying what to do.

Every class descends from `UploadRejectedError`, so a caller that handles one file at a time needs a
single `except`. A rejected file never takes the rest of its batch with it.
"""

from __future__ import annotations

import struct
import zlib

from services.errors import KaryobridgeError


class UploadRejectedError(KaryobridgeError):
    """Base of every reason for which one uploaded file or archive member is refused."""

    code = "upload_rejected"
    title = "The file cannot be used"


class EmptyFileError(UploadRejectedError):
    """The file holds no bytes."""

    code = "empty_file"
    title = "The file is empty"


class TooLargeError(UploadRejectedError):
    """The file has more bytes than allowed."""

    code = "too_large"
    title = "The file is too large"


class TooManyPixelsError(UploadRejectedError):
    """The picture would need more memory than allowed."""

    code = "too_many_pixels"
    title = "The image has too many pixels"


class BatchTooLargeError(UploadRejectedError):
    """The files of the batch would cost more to decode than one batch may."""

    code = "batch_too_large"
    title = "The batch has too many pixels"


class TooManyPlanesError(UploadRejectedError):
    """The file has more planes than allowed."""

    code = "too_many_planes"
    title = "The image has too many planes"


class UnsupportedFormatError(UploadRejectedError):
    """The container is none of TIFF, PNG, JPEG or ZIP, or a variant nobody reads here."""

    code = "unsupported_format"
    title = "The file format is not supported"


class UnsupportedCompressionError(UploadRejectedError):
    """The TIFF's pixels are packed in a way that is not read here."""

    code = "unsupported_compression"
    title = "The compression is not supported"


class UnsupportedPixelTypeError(UploadRejectedError):
    """The pixels are not unsigned 8- or 16-bit grey or RGB."""

    code = "unsupported_pixel_type"
    title = "The pixel type is not supported"


class MislabelledFileError(UploadRejectedError):
    """The extension and the contents disagree."""

    code = "mislabelled_file"
    title = "The file is not what its name says"


class TruncatedFileError(UploadRejectedError):
    """The file ends before its pixels do."""

    code = "truncated_file"
    title = "The file is cut short"


class CorruptFileError(UploadRejectedError):
    """The file has its length but its contents contradict themselves."""

    code = "corrupt_file"
    title = "The file is damaged"


class ZStackError(UploadRejectedError):
    """The file holds several focal planes."""

    code = "z_stack"
    title = "The image is a Z-stack"


class TimeSeriesError(UploadRejectedError):
    """The file holds several time points."""

    code = "time_series"
    title = "The image is a time series"


class PlanesDifferError(UploadRejectedError):
    """The planes of one image differ in size or bit depth."""

    code = "planes_differ"
    title = "The planes do not fit together"


class PlaneOutOfRangeError(UploadRejectedError):
    """A channel rule asks for a plane that the file does not have."""

    code = "plane_out_of_range"
    title = "The file has no such plane"


class DapiMissingError(UploadRejectedError):
    """No plane carries DAPI, without which nothing can be segmented."""

    code = "dapi_missing"
    title = "There is no DAPI plane"


class ChannelUnmatchedError(UploadRejectedError):
    """The file's name fits none of the channel patterns."""

    code = "channel_unmatched"
    title = "The file name fits no channel pattern"


class IncompleteGroupError(UploadRejectedError):
    """A group of files lacks one of the channels that the rule names."""

    code = "incomplete_group"
    title = "A channel of this image is missing"


class AmbiguousChannelsError(UploadRejectedError):
    """More than one reading of the channels is possible."""

    code = "ambiguous_channels"
    title = "The channels are ambiguous"


class DuplicateNameError(UploadRejectedError):
    """Two files of one upload carry the same name."""

    code = "duplicate_name"
    title = "Two files carry the same name"


class InvalidMasksError(UploadRejectedError):
    """An annotation file is not a label image that fits its metaphase."""

    code = "invalid_masks"
    title = "The masks cannot be used"


class ZipUnsafePathError(UploadRejectedError):
    """A member's name would leave the archive, or the member is a link."""

    code = "zip_unsafe_path"
    title = "An archive member has an unsafe name"


class ZipBombError(UploadRejectedError):
    """A member or the archive unpacks to more than allowed."""

    code = "zip_bomb"
    title = "The archive unpacks to too much"


class ZipEncryptedError(UploadRejectedError):
    """A member needs a password."""

    code = "zip_encrypted"
    title = "The archive is encrypted"


class ZipNestedError(UploadRejectedError):
    """A member is an archive itself."""

    code = "zip_nested"
    title = "The archive contains an archive"


class ZipCorruptError(UploadRejectedError):
    """The archive, or one member of it, is damaged."""

    code = "zip_corrupt"
    title = "The archive is damaged"


class ZipTooManyMembersError(UploadRejectedError):
    """The archive lists more members than allowed."""

    code = "zip_too_many_members"
    title = "The archive has too many members"


# What decoders of pictures, Pillow and tifffile alike, were seen to raise on damaged bytes.
DAMAGED_BYTES_ERRORS = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    RuntimeError,
    MemoryError,
    BufferError,
    EOFError,
    struct.error,
    zlib.error,
)


def shown(name: str, limit: int = 120) -> str:
    """A client's file name made fit for a message: one line, printable, of bounded length."""
    printable = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)
    return printable if len(printable) <= limit else "\N{HORIZONTAL ELLIPSIS}" + printable[1 - limit :]
