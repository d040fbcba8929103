from __future__ import annotations

from pathlib import Path

import pytest

from client.channel_rules import channel_rule, expand, plan_upload
from client.errors import InvalidArgumentError, LocalFileError
from services.images.channels import parse_channel_rule
from services.images.grouping import group_files

RULE = {"dapi": "*_dapi.tif", "red": "*_red.tif", "green": "*_green.tif"}


def touch(folder: Path, *names: str) -> list[Path]:
    """Make small files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(name.encode())
    return [folder / name for name in names]


class TestChannelRule:
    def test_options_become_a_rule(self) -> None:
        """Patterns stay text, plane numbers become numbers."""
        assert channel_rule(None, {"dapi": "2", "red": "0", "green": None}) == {"dapi": 2, "red": 0}
        assert channel_rule(None, {"dapi": "*D.tif"}) == {"dapi": "*D.tif"}

    def test_nothing_given_is_no_rule(self) -> None:
        """The service then looks into the files."""
        assert channel_rule(None, {"dapi": None}) is None

    @pytest.mark.parametrize("text", ["{", "[]", '{"dapi": true}', '{"dapi": null}', "3"])
    def test_refuses_json_that_is_no_rule(self, text: str) -> None:
        """A typing error is found before anything is sent."""
        with pytest.raises(InvalidArgumentError, match="--channels"):
            channel_rule(text, {})

    def test_refuses_two_rules(self) -> None:
        """JSON and options together would hide one of them."""
        with pytest.raises(InvalidArgumentError, match="not both"):
            channel_rule('{"dapi": "*D.tif"}', {"dapi": "*D.tif"})


class TestExpand:
    def test_searches_folders(self, tmp_path: Path) -> None:
        """Images at any depth are found; hidden files and others are not."""
        touch(tmp_path, "a.tif", "notes.txt", "._a.tif")
        touch(tmp_path / "deep", "b.PNG")

        assert [path.name for path in expand([tmp_path])] == ["a.tif", "b.PNG"]

    def test_takes_named_files_as_they_are(self, tmp_path: Path) -> None:
        """A file that is named is sent whatever its suffix: the service says what is wrong with it."""
        files = touch(tmp_path, "notes.txt")

        assert files == list(expand([*files, *files]))

    def test_says_what_is_missing(self, tmp_path: Path) -> None:
        """A path that does not exist and a folder without images are told apart."""
        with pytest.raises(LocalFileError, match="no such file"):
            expand([tmp_path / "gone.tif"])
        with pytest.raises(LocalFileError, match="the folder holds no"):
            expand([tmp_path])


class TestPlanUpload:
    def test_keeps_a_metaphase_together(self, tmp_path: Path) -> None:
        """Files that differ only in their channel are one unit, in any order and case of the suffix."""
        files = touch(tmp_path, "m2_red.TIF", "m1_dapi.tif", "m1_red.tif", "m2_dapi.tif", "m1_green.tif")

        names = [{file.name for file in unit.files} for unit in plan_upload(files, RULE).units]

        assert [{"m2_red.TIF", "m2_dapi.tif"}, {"m1_dapi.tif", "m1_red.tif", "m1_green.tif"}] == names

    def test_knows_each_files_channel(self, tmp_path: Path) -> None:
        """The pattern that a name fits tells its channel."""
        (unit,) = plan_upload(touch(tmp_path, "m_dapi.tif", "m_red.tif"), RULE).units

        assert [file.channel for file in unit.files] == ["dapi", "red"]

    def test_folders_separate_metaphases(self, tmp_path: Path) -> None:
        """The same name on two slides is two metaphases."""
        touch(tmp_path / "a", "m_dapi.tif")
        touch(tmp_path / "b", "m_dapi.tif")

        assert len(plan_upload([tmp_path], RULE).units) == 2

    def test_without_patterns_every_file_stands_alone(self, tmp_path: Path) -> None:
        """Plane numbers and no rule at all group nothing."""
        files = touch(tmp_path, "a_dapi.tif", "a_red.tif")

        assert len(plan_upload(files, None).units) == 2
        assert len(plan_upload(files, {"dapi": 2}).units) == 2

    def test_leaves_other_planes_of_a_folder_here(self, tmp_path: Path) -> None:
        """Planes that the rule does not name are counted, not sent; ZIPs and named files are sent."""
        touch(tmp_path, "m_dapi.tif", "m_aqua.tif", "more.zip")
        (odd,) = touch(tmp_path / "other", "odd.tif")

        plan = plan_upload([tmp_path, odd], RULE)

        assert plan.unmatched_files == 1
        assert {f.name for u in plan.units for f in u.files} == {"m_dapi.tif", "more.zip", "odd.tif"}

    def test_groups_as_the_service_does(self, tmp_path: Path) -> None:
        """Units hold what the service would put together, so that no chunk tears an image apart."""
        names = ["x1_dapi.tif", "x1_red.TIF", "x1_green.tif", "y_dapi.tif", "odd.tif", "_red.tif"]
        rule = parse_channel_rule('{"dapi": "*_dapi.tif", "red": "*_red.tif", "green": "*_green.tif"}')
        theirs = {frozenset(group.files) for group in group_files(names, rule)}

        ours = {
            frozenset(f.name for f in unit.files) for unit in plan_upload(touch(tmp_path, *names), RULE).units
        }

        assert theirs == ours
