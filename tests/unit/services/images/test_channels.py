from __future__ import annotations

import numpy as np
import pytest

from services.errors import InvalidInputError
from services.images.channels import ChannelRule, ChannelStack, channel_of_name, parse_channel_rule


class TestParseChannelRule:
    def test_nothing_means_no_rule(self) -> None:
        """An absent or blank field is no rule."""
        assert parse_channel_rule(None) is None
        assert parse_channel_rule("  ") is None

    def test_patterns_come_in_channel_order(self) -> None:
        """Patterns are kept, ordered red, green, dapi."""
        rule = parse_channel_rule('{"dapi": "*D.tif", "red": "*O.tif"}')

        assert ChannelRule(patterns={"red": "*O.tif", "dapi": "*D.tif"}) == rule
        assert ["red", "dapi"] == list(rule.patterns)

    def test_planes(self) -> None:
        """Plane numbers are kept."""
        assert ChannelRule(planes={"dapi": 2}) == parse_channel_rule('{"dapi": 2}')

    @pytest.mark.parametrize(
        "text",
        [
            "{",
            "[]",
            "{}",
            "3",
            "[" * 100_000,
            '{"dapi": ' + "1" * 5000 + "}",
            '{"dapi": "*D.tif", "blue": "*B.tif"}',
            '{"red": "*R.tif"}',
            '{"dapi": "D.tif"}',
            '{"dapi": "*D*.tif"}',
            '{"dapi": 0, "red": "*R.tif"}',
            '{"dapi": true}',
            '{"dapi": -1}',
            '{"dapi": 0, "red": 0}',
            '{"dapi": "*.tif", "red": "*.tif"}',
            '{"dapi": {"plane": 1}}',
        ],
    )
    def test_malformed_rules_name_the_field(self, text: str) -> None:
        """Every malformed rule is refused with the field's name and an example."""
        with pytest.raises(InvalidInputError) as caught:
            parse_channel_rule(text)

        assert "channels" == caught.value.field
        assert "*D.tif" in str(caught.value)


class TestChannelOfName:
    @pytest.mark.parametrize(
        ("channel", "names"),
        [
            ("dapi", ["DAPI", "dapi (405)", "Hoechst 33342", "Blue", "SpectrumBlue"]),
            (
                "red",
                [
                    "Texas Red",
                    "TRITC",
                    "Cy3",
                    "Cy3.5",
                    "SpectrumOrange",
                    "Spectrum Red",
                    "Alexa Fluor 594",
                    "R",
                ],
            ),
            ("green", ["FITC", "SpectrumGreen", "eGFP", "Alexa 488", "AF488", "G"]),
            (None, ["", None, "Channel 1", "brightfield", "Ch0", "Aqua"]),
        ],
    )
    def test_known_dyes(self, channel: str | None, names: list[str | None]) -> None:
        """Dyes and colours are told in the spellings that microscopes write."""
        assert [channel] * len(names) == [channel_of_name(name) for name in names]


class TestChannelStack:
    def test_plane_by_name(self) -> None:
        """A plane is found by its channel, and an unknown one is refused."""
        stack = ChannelStack(np.zeros((1, 2, 3), np.uint8), ("dapi",), 8, None)

        assert (2, 3) == stack.plane("dapi").shape
        with pytest.raises(InvalidInputError, match="it has dapi"):
            stack.plane("red")
