from __future__ import annotations

import contextlib
import io
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.images.errors import UploadRejectedError
from services.images.formats import inspect_source
from services.images.limits import Limits
from tests.support.pictures import SOUND, THREE16, tiff


def code_of(data: bytes, name: str) -> str:
    with pytest.raises(UploadRejectedError) as caught:
        inspect_source(io.BytesIO(data), name)
    return caught.value.code


class TestDamage:
    @pytest.mark.parametrize("form", SOUND)
    def test_every_truncation_of_the_pixels_is_refused(self, form: str) -> None:
        """Cut anywhere in its first nine tenths, a file is refused with a code."""
        name, data = SOUND[form]
        cuts = range(1, int(len(data) * 0.9), max(1, len(data) // 40))

        codes = {code_of(data[:cut], name) for cut in cuts}

        assert codes <= {"truncated_file", "corrupt_file", "mislabelled_file", "unsupported_format"}

    def test_a_lost_page_is_not_overlooked(self) -> None:
        """A chain of pages whose next directory is gone is refused, not read as a shorter image."""
        data = bytearray(tiff(THREE16, photometric="minisblack"))
        (at,) = struct.unpack_from("<I", data, 4)
        (count,) = struct.unpack_from("<H", data, at)
        struct.pack_into("<I", data, at + 2 + 12 * count, len(data) + 100)

        assert "truncated_file" == code_of(bytes(data), "a.tif")

    @given(
        form=st.sampled_from(sorted(SOUND)),
        changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=12),
        kept=st.floats(0.05, 1),
    )
    @settings(max_examples=400, deadline=None)
    def test_only_rejections_escape(self, form: str, changes: list[tuple[float, int]], kept: float) -> None:
        """Whatever bytes are changed or lost, the file is read or refused with a code."""
        name, data = SOUND[form]
        damaged = bytearray(data[: int(len(data) * kept)])
        for place, value in changes:
            damaged[int(place * len(damaged))] = value
        limits = Limits(max_pixels=1_000_000, max_decoded_bytes=16 * 1024 * 1024)

        with contextlib.suppress(UploadRejectedError):
            info = inspect_source(io.BytesIO(bytes(damaged)), name, limits)

            assert info.height * info.width <= limits.max_pixels
