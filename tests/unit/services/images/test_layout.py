from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from services.errors import InvalidInputError
from services.images.channels import ChannelRule
from services.images.errors import UploadRejectedError
from services.images.grouping import FileGroup, group_files
from services.images.layout import ChannelSource, Layout, plan_layout
from services.images.source import SourceInfo

GREY = SourceInfo(
    format="tiff",
    height=40,
    width=50,
    planes=1,
    colour=False,
    distinct_planes=(0,),
    identical_planes=False,
    channel_names=(None,),
    dtype="uint8",
    pixel_size_um=None,
)


def many(*names: str | None, **changes: Any) -> SourceInfo:
    count = len(names)
    return dataclasses.replace(
        GREY, planes=count, distinct_planes=tuple(range(count)), channel_names=names, **changes
    )


def planned(info: SourceInfo, rule: ChannelRule | None = None) -> dict[str, int]:
    layout = plan_layout(FileGroup("a", ("a",)), {"a": info}, rule)
    return {source.channel: source.plane for source in layout.sources}


def refused(info: SourceInfo, rule: ChannelRule | None = None) -> str:
    with pytest.raises(UploadRejectedError) as caught:
        planned(info, rule)
    return caught.value.code


class TestPlanLayout:
    def test_single_grey_plane_is_dapi(self) -> None:
        """One plane without a name is DAPI; one named as a dye is not."""
        assert {"dapi": 0} == planned(GREY)
        assert "dapi_missing" == refused(many("FITC"))

    def test_colour_picture(self) -> None:
        """Red, green and blue of a picture are red, green and DAPI."""
        assert {"red": 0, "green": 1, "dapi": 2} == planned(many(None, None, None, colour=True))

    def test_grey_saved_as_rgb_is_dapi(self) -> None:
        """Three identical planes are one grey picture."""
        assert {"dapi": 0} == planned(many(None, None, None, colour=True, identical_planes=True))

    def test_three_pages_without_names(self) -> None:
        """Three grey pages are taken as red, green, DAPI."""
        assert {"red": 0, "green": 1, "dapi": 2} == planned(many(None, None, None))

    def test_names_decide_before_position(self) -> None:
        """Known dyes are used wherever they stand; unknown planes are left out."""
        assert {"red": 2, "green": 1, "dapi": 0} == planned(many("DAPI", "FITC", "Cy3", "brightfield"))

    def test_planes_that_nobody_can_name(self) -> None:
        """Other counts of pages, doubled dyes and absent DAPI each have a code."""
        assert "ambiguous_channels" == refused(many(None, None))
        assert "ambiguous_channels" == refused(many("DAPI", "Cy3", "TRITC"))
        assert "dapi_missing" == refused(many("FITC", "Cy3"))

    def test_rule_of_planes(self) -> None:
        """A rule of plane numbers overrides names, and must fit."""
        rule = ChannelRule(planes={"red": 1, "dapi": 0})

        assert {"red": 1, "dapi": 0} == planned(many("FITC", "Cy3"), rule)
        assert "plane_out_of_range" == refused(GREY, rule)

    def test_group_error_is_raised(self) -> None:
        """A group that could not be assembled cannot be laid out."""
        (group,) = group_files(["a.tif"], ChannelRule(patterns={"dapi": "*D.tif"}))

        with pytest.raises(UploadRejectedError) as caught:
            plan_layout(group, {"a.tif": GREY}, None)

        assert "channel_unmatched" == caught.value.code

    def test_members_may_be_shown_in_colour(self) -> None:
        """A per-channel file saved as RGB is used by its one picture; with several it is ambiguous."""
        group = FileGroup("a", ("r", "d"), {"red": "r", "dapi": "d"})
        tinted = dataclasses.replace(many(None, None, None, colour=True), distinct_planes=(2,))

        layout = plan_layout(group, {"r": GREY, "d": tinted}, None)

        assert (ChannelSource("red", "r", 0), ChannelSource("dapi", "d", 2)) == layout.sources
        with pytest.raises(UploadRejectedError, match="3 planes"):
            plan_layout(group, {"r": GREY, "d": many(None, None, None, colour=True)}, None)

    @pytest.mark.parametrize("change", [{"height": 41}, {"width": 51}, {"dtype": "uint16"}])
    def test_members_must_agree(self, change: dict[str, Any]) -> None:
        """Channels of different size or depth are refused."""
        group = FileGroup("a", ("r", "d"), {"red": "r", "dapi": "d"})

        with pytest.raises(UploadRejectedError) as caught:
            plan_layout(group, {"r": GREY, "d": dataclasses.replace(GREY, **change)}, None)

        assert "planes_differ" == caught.value.code


class TestLayout:
    def test_json_round_trip(self) -> None:
        """A layout survives being stored as JSON."""
        layout = Layout((ChannelSource("dapi", "a.tif", 1),), 40, 50, 16, 0.1)

        assert layout == Layout.from_json(json.loads(json.dumps(layout.to_json())))

    @pytest.mark.parametrize("value", [{}, {"version": 2}, {"version": 1}, {"version": 1, "sources": [{}]}])
    def test_other_json_is_refused(self, value: dict[str, Any]) -> None:
        """Another version, or a missing field, is an error and not a guess."""
        with pytest.raises(InvalidInputError):
            Layout.from_json(value)
