"""Bounds on what an upload may cost, checked before the memory is taken and not after."""

from __future__ import annotations

from dataclasses import dataclass

from services.images.errors import BatchTooLargeError


@dataclass(slots=True)
class Budget:
    """Bytes that may still be decoded: files of one colour pack so well that the bytes sent bound nothing.

    It counts bytes and not seconds, so that neither speed nor load of a machine decides what is refused.
    """

    left_bytes: int

    def spend(self, decoded_bytes: int) -> None:
        """Pay for a file before its pixels are decoded, whether or not they turn out to be there.

        Raises
        ------
        BatchTooLargeError
            Not enough is left; smaller files may still be taken.
        """
        if decoded_bytes > self.left_bytes:
            raise BatchTooLargeError(
                "With this file the batch would have more pixels than one batch may have. Send it in another "
                "batch, or raise MAX_BATCH_DECODED_BYTES."
            )
        self.left_bytes -= decoded_bytes


@dataclass(frozen=True, slots=True)
class Limits:
    """What one upload may weigh.

    The defaults leave room for a full-frame camera (8192 x 8192, 16 bit, several planes) and keep the
    decoded pixels of one file below a gibibyte.

    Attributes
    ----------
    max_file_bytes
        Size of one file as uploaded, or of one archive member as unpacked.
    max_pixels
        Height times width of one plane.
    max_planes
        Planes (pages or colour samples) of one file.
    max_decoded_bytes
        All planes of one file together, decoded.
    budget
        What all files of a batch may cost together to decode; None: no bound.
    max_zip_members, max_zip_total_bytes
        Entries listed in one archive, and the bytes that they may unpack to together.
    max_zip_ratio
        Unpacked over packed bytes of one member. Empty 16-bit microscopy planes reach about 900 under
        Deflate, whose own ceiling is 1,032: members below `zip_ratio_floor_bytes` are not judged by it.
    zip_ratio_floor_bytes
        See `max_zip_ratio`.
    """

    max_file_bytes: int = 512 * 1024 * 1024
    max_pixels: int = 80_000_000
    max_planes: int = 32
    max_decoded_bytes: int = 1024 * 1024 * 1024
    budget: Budget | None = None
    max_zip_members: int = 5_000
    max_zip_total_bytes: int = 4 * 1024 * 1024 * 1024
    max_zip_ratio: float = 200.0
    zip_ratio_floor_bytes: int = 8 * 1024 * 1024

    def spend(self, decoded_bytes: int) -> None:
        """Pay from the budget, if there is one; raises `BatchTooLargeError`."""
        if self.budget is not None:
            self.budget.spend(decoded_bytes)
