from __future__ import annotations

import contextlib
import io
import stat
import struct
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.images.archives import member_names, unzip_members
from services.images.errors import UploadRejectedError, ZipTooManyMembersError
from services.images.limits import Limits

Entry = str | zipfile.ZipInfo


def packed(*entries: tuple[Entry, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in entries:
            archive.writestr(name, data, method)
    return buffer.getvalue()


def outcome(data: bytes, limits: Limits | None = None) -> dict[str, bytes | str]:
    """Member name to its bytes, or to the code of its refusal."""
    found: dict[str, bytes | str] = {}
    for member in unzip_members(io.BytesIO(data), limits):
        if member.error is not None:
            assert member.stream is None
            found[member.name] = member.error.code
        else:
            assert member.stream is not None
            found[member.name] = member.stream.read()
    return found


def refusal(data: bytes, limits: Limits | None = None) -> str:
    with pytest.raises(UploadRejectedError) as caught:
        outcome(data, limits)
    return caught.value.code


GOOD = ("good.tif", b"pixels")


class TestUnzipMembers:
    def test_members_in_order_with_folders(self) -> None:
        """Files come in the archive's order, under the names that it gives them."""
        data = packed(("s/b.tif", b"1"), ("a.tif", b"2"), ("s/", b""))

        assert [("s/b.tif", b"1"), ("a.tif", b"2")] == list(outcome(data).items())

    def test_junk_is_skipped(self) -> None:
        """What operating systems add is neither kept nor reported."""
        data = packed(
            GOOD, ("__MACOSX/._good.tif", b"x"), ("s/.DS_Store", b"x"), ("Thumbs.db", b"x"), ("._a", b"x")
        )

        assert {"good.tif": b"pixels"} == outcome(data)

    @pytest.mark.parametrize(
        "name", ["../evil.tif", "a/../../evil.tif", "/etc/evil.tif", "C:/evil.tif", "a\\..\\evil.tif"]
    )
    def test_unsafe_names(self, name: str) -> None:
        """A name that would leave the archive is refused, and its neighbours survive."""
        assert {name: "zip_unsafe_path", "good.tif": b"pixels"} == outcome(packed((name, b"x"), GOOD))

    def test_links(self) -> None:
        """A symbolic link is refused."""
        link = zipfile.ZipInfo("link.tif")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16

        assert {"link.tif": "zip_unsafe_path", "good.tif": b"pixels"} == outcome(packed((link, b"/x"), GOOD))

    def test_nested_archives(self) -> None:
        """An archive inside is refused by its name, or by its contents under another name."""
        inner = packed(GOOD)

        assert {"a.zip": "zip_nested", "b.tif": "zip_nested", "good.tif": b"pixels"} == outcome(
            packed(("a.zip", inner), ("b.tif", inner), GOOD)
        )

    def test_encrypted_members(self) -> None:
        """The flag of a password is enough to refuse a member."""
        data = bytearray(packed(("secret.tif", b"x" * 50), GOOD))
        central = data.index(b"PK\x01\x02")
        data[6] |= 1
        data[central + 8] |= 1

        assert {"secret.tif": "zip_encrypted", "good.tif": b"pixels"} == outcome(bytes(data))

    def test_a_member_that_unpacks_too_far(self) -> None:
        """A ratio beyond the limit is a bomb, once the member is large enough to matter."""
        limits = Limits(zip_ratio_floor_bytes=100_000)
        data = packed(("bomb.tif", bytes(5_000_000)), ("small.tif", bytes(50_000)), GOOD)

        assert {"bomb.tif": "zip_bomb", "small.tif": bytes(50_000), "good.tif": b"pixels"} == outcome(
            data, limits
        )

    def test_sizes_in_headers_are_not_believed(self) -> None:
        """A member that claims to be small, and is not, yields no more than it claimed or is refused."""
        data = bytearray(packed(("liar.tif", bytes(3_000_000)), GOOD))
        central = data.index(b"PK\x01\x02")
        struct.pack_into("<I", data, central + 24, 10)

        assert {"liar.tif": "zip_corrupt", "good.tif": b"pixels"} == outcome(bytes(data))

    def test_a_member_above_the_file_limit(self) -> None:
        """A single large member is refused; the total budget is not touched by it."""
        data = packed(("large.tif", bytes(range(250)) * 10), GOOD)

        assert {"large.tif": "too_large", "good.tif": b"pixels"} == outcome(data, Limits(max_file_bytes=1000))

    def test_the_total_is_bounded(self) -> None:
        """Members beyond the archive's budget are refused, smaller ones after them still fit."""
        data = packed(("a.tif", b"a" * 600), ("b.tif", b"b" * 600), ("c.tif", b"c" * 300))

        assert {"a.tif": b"a" * 600, "b.tif": "zip_bomb", "c.tif": b"c" * 300} == outcome(
            data, Limits(max_zip_total_bytes=1000)
        )

    def test_overlapping_members(self) -> None:
        """Two directory entries for the same bytes are refused together."""
        data = bytearray(packed(("a.tif", b"a" * 64), ("b.tif", b"b" * 64), GOOD, method=zipfile.ZIP_STORED))
        second = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 4)
        struct.pack_into("<I", data, second + 42, 10)

        assert {"a.tif": "zip_bomb", "b.tif": "zip_bomb", "good.tif": b"pixels"} == outcome(bytes(data))

    def test_damaged_member(self) -> None:
        """A wrong checksum refuses that member alone."""
        data = bytearray(packed(("bad.tif", b"x" * 64), GOOD, method=zipfile.ZIP_STORED))
        data[60] ^= 0xFF

        assert {"bad.tif": "zip_corrupt", "good.tif": b"pixels"} == outcome(bytes(data))

    def test_unusual_packing(self) -> None:
        """LZMA could ask for gigabytes of dictionary; only stored and Deflate members are read."""
        assert {"good.tif": "unsupported_compression"} == outcome(packed(GOOD, method=zipfile.ZIP_LZMA))

    @pytest.mark.filterwarnings("ignore:Duplicate name")
    def test_repeated_names(self) -> None:
        """The second file of one name is refused."""
        members = [m.error for m in unzip_members(io.BytesIO(packed(GOOD, GOOD)))]

        assert members[0] is None
        assert "duplicate_name" == members[1].code

    def test_archives_as_a_whole(self) -> None:
        """Cut short, empty, or too crowded: one refusal before the first member."""
        assert "zip_corrupt" == refusal(packed(GOOD)[:-30])
        assert "zip_corrupt" == refusal(b"PK\x03\x04 and nothing more")
        assert "empty_file" == refusal(packed(("folder/", b"")))
        assert "zip_too_many_members" == refusal(
            packed(*((f"{n}.tif", b"") for n in range(11))), Limits(max_zip_members=10)
        )

    def test_huge_directory_is_not_parsed(self) -> None:
        """The directory's claimed size is judged before anything is read into memory."""
        data = bytearray(packed(GOOD))
        struct.pack_into("<I", data, len(data) - 22 + 12, 0x7FFFFFFF)

        assert "zip_too_many_members" == refusal(bytes(data))

    def test_crowded_directory_is_not_parsed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Entries of short names are counted by their marks, also across the pieces that are read."""
        data = packed(*((f"{n}", b"") for n in range(400)))
        monkeypatch.setattr("services.images.archives._CHUNK_BYTES", 50)
        monkeypatch.setattr("services.images.archives.zipfile.ZipFile", None)

        assert "zip_too_many_members" == refusal(data, Limits(max_zip_members=399))
        with pytest.raises(TypeError):
            refusal(data, Limits(max_zip_members=400))

    @given(
        changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8),
        kept=st.floats(0.1, 1),
    )
    @settings(max_examples=300, deadline=None)
    def test_only_rejections_escape(self, changes: list[tuple[float, int]], kept: float) -> None:
        """Whatever bytes are changed or lost, members are read or refused with a code."""
        data = packed(("a.tif", bytes(range(200))), ("s/b.tif", b"x" * 500), GOOD)
        damaged = bytearray(data[: max(1, int(len(data) * kept))])
        for place, value in changes:
            damaged[int(place * len(damaged))] = value

        with contextlib.suppress(UploadRejectedError):
            member_names(io.BytesIO(damaged))
            members = outcome(bytes(damaged))

            assert sum(len(found) for found in members.values() if isinstance(found, bytes)) < 10_000


class TestMemberNames:
    def test_are_told_as_they_are(self) -> None:
        """Unsafe ones too: nothing is unpacked."""
        names = ["../a.tif", "s/", "s/b.tif"]

        assert names == member_names(io.BytesIO(packed(*((name, b"") for name in names))))

    def test_too_many_are_not_listed(self) -> None:
        """The bounds are those of unpacking."""
        data = packed(*((f"{n}", b"") for n in range(400)))

        with pytest.raises(ZipTooManyMembersError):
            member_names(io.BytesIO(data), Limits(max_zip_members=399))
