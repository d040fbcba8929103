from __future__ import annotations

from services.images.channels import ChannelRule
from services.images.grouping import group_files

RULE = ChannelRule(patterns={"red": "*O.tif", "green": "*G.tif", "dapi": "*D.tif"})


def codes(names: list[str], rule: ChannelRule | None = RULE) -> dict[str, str | None]:
    """Group name to error code."""
    return {group.name: group.error.code if group.error else None for group in group_files(names, rule)}


class TestGroupFiles:
    def test_without_patterns_each_file_is_an_image(self) -> None:
        """No rule, or one about planes, groups nothing."""
        for rule in (None, ChannelRule(planes={"dapi": 0})):
            groups = group_files(["b.tif", "a.png"], rule)

            assert [("b.tif", ("b.tif",)), ("a.png", ("a.png",))] == [(g.name, g.files) for g in groups]

    def test_the_star_names_the_image(self) -> None:
        """Files whose stars match alike make one image, with members in channel order."""
        groups = group_files(["c2D.tif", "c1D.tif", "c1G.tif", "c2O.tif", "c1O.tif", "c2G.tif"], RULE)

        assert ["c2", "c1"] == [group.name for group in groups]
        assert {"red": "c1O.tif", "green": "c1G.tif", "dapi": "c1D.tif"} == groups[1].members
        assert ("c1O.tif", "c1G.tif", "c1D.tif") == groups[1].files

    def test_extension_case_does_not_matter(self) -> None:
        """Windows scanners write .TIF; letters before the extension are compared exactly."""
        assert {"c": None} == codes(["cD.TIF", "cO.tif", "cG.Tif"])
        assert {"cd.tif": "channel_unmatched"} == codes(["cd.tif"])

    def test_folders_keep_images_apart(self) -> None:
        """The same names in two folders of an archive are two images."""
        names = [f"{folder}/c{letter}.tif" for folder in ("s1", "s2") for letter in "DOG"]

        assert {"s1/c": None, "s2/c": None} == codes(names)

    def test_pattern_with_a_folder(self) -> None:
        """A pattern with a slash is matched against the whole name."""
        rule = ChannelRule(patterns={"red": "red/*.tif", "dapi": "dapi/*.tif"})

        assert {"7": None} == codes(["red/7.tif", "dapi/7.tif"], rule)

    def test_unmatched_file_rejects_itself_alone(self) -> None:
        """A stray file gets its own error, and complete images survive."""
        assert {"notes.txt": "channel_unmatched", "c": None} == codes(
            ["notes.txt", "cD.tif", "cO.tif", "cG.tif"]
        )

    def test_missing_channels(self) -> None:
        """An image without DAPI and one without a colour have different codes."""
        assert {"a": "dapi_missing", "b": "incomplete_group"} == codes(
            ["aO.tif", "aG.tif", "bD.tif", "bG.tif"]
        )

    def test_two_files_for_one_channel(self) -> None:
        """Two extensions that stand for the same channel are ambiguous."""
        assert {"a": "ambiguous_channels"} == codes(["aD.tif", "aD.TIF", "aO.tif", "aG.tif"])

    def test_two_patterns_for_one_file(self) -> None:
        """A file that fits two patterns is ambiguous."""
        rule = ChannelRule(patterns={"red": "*R.tif", "dapi": "*.tif"})

        assert {"aR.tif": "ambiguous_channels"} == codes(["aR.tif"], rule)

    def test_same_name_twice(self) -> None:
        """Two files of one name cannot be told apart."""
        assert {"a.tif": "duplicate_name"} == codes(["a.tif", "a.tif"], None)

    def test_empty_star_does_not_match(self) -> None:
        """An image needs a name: a star that matches nothing is no match."""
        assert {"D.tif": "channel_unmatched"} == codes(["D.tif"])

    def test_brackets_are_plain_letters(self) -> None:
        """Only the star is special; other glob signs stand for themselves."""
        rule = ChannelRule(patterns={"dapi": "[*]?.tif"})

        assert {"7": None, "7]x.tif": "channel_unmatched"} == codes(["[7]?.tif", "7]x.tif"], rule)
