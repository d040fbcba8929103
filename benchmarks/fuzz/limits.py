"""The limits under which inputs are tried, and the memory and time that follow from them.

The limits are smaller than those of a service, so that an input of some kilobytes can reach them. Whatever
the parsers may take is a multiple of them: a bound that holds here holds there, with the service's numbers
in place of these.
"""

from __future__ import annotations

from services.images.limits import Limits

LIMITS = Limits(
    max_file_bytes=4 * 1024**2,
    max_pixels=1_000_000,
    max_planes=8,
    max_decoded_bytes=8 * 1024**2,
    max_zip_members=200,
    max_zip_total_bytes=16 * 1024**2,
    zip_ratio_floor_bytes=256 * 1024,
)

# The pixels of a file, one more plane of at most as many bytes while it is decoded, twice that where tiles
# stick out; the file itself, packed and unpacked; and 24 MiB of a process's own ups and downs.
MAX_GROWTH_BYTES = 4 * LIMITS.max_decoded_bytes + 2 * LIMITS.max_file_bytes + 24 * 1024**2
MAX_SECONDS = 10.0
