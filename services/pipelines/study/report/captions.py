"""Captions of a study's figures, and why one is missing."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from services.pipelines.study.report.blocks import Figure, Text
from services.pipelines.study.report.reading import ALL, SPLITS, Reading

_CHANNELS: Final = "Red and green paint over DAPI in blue."
_NUMBERS: Final = MappingProxyType({f"figure{number}": str(number) for number in range(3, 9)})
_CAPTIONS: Final = MappingProxyType(
    {
        "figure3": "Crops of the BBDM: the real chromosome, its DAPI, what was made from it; a poor one and "
        f"a good one by the filter's level. {_CHANNELS}",
        "figure4": "Crops of the CycleGAN: the real chromosome, its DAPI, what was made from it. "
        f"{_CHANNELS}",
        "figure5": "Maximum SSIM of each synthetic crop with the training aberrations, by generator. Real "
        "validation aberrations are the yardstick.",
        "figure6": "The filter's map: all real training crops, the aberrations alone, synthetic crops. "
        "Lines are densities; the ellipse is the filter at its level.",
        "figure7": f"Synthetic crops that the filter lets in. {_CHANNELS}",
        "figure8": f"Synthetic crops that the filter rejects. {_CHANNELS}",
        "forest": "F1 of every arm less that of the reference, with 95 % intervals: thin over seeds, thick "
        "with slides and seeds drawn. Left of zero is worse, right of it better. A difference counts as "
        "shown in the text where both leave zero out.",
        "dots": "F1 and average precision of every network; the bars are means of an arm.",
        "left_out": "The same networks on lines that they know and on lines that were left out.",
        "forest_left_out": "F1 on lines that were left out, less that of the reference, with 95 % intervals.",
        "learning_curve": "By how many aberrations there are to learn from: above each network's figures, "
        "below the gain over the reference.",
        "pr": "Precision against recall, the verdicts of all seeds together.",
        "time": "Where the time went.",
        "losses": "Losses of the generators while they learnt.",
        "gallery": "More synthetic crops of each generator beside real aberrations; frames tell what the "
        f"filter lets in. {_CHANNELS}",
    }
)
KEYS: Final = tuple(_CAPTIONS)


def figure(reading: Reading, figures: Mapping[str, bytes | None], key: str) -> Figure | Text:
    """The figure of a name with its caption, or a sentence why it is not there.

    Raises
    ------
    KeyError
        `key` is none of `KEYS`.
    """
    caption, number = _CAPTIONS[key], _NUMBERS.get(key)
    png = figures.get(key)
    if png:
        return Figure(number, caption, png)
    name = f"Figure {number}" if number else f"The figure “{caption.rstrip('.')}”"
    return Text(f"{name} is left out: {_reason(reading, key)}", small=True)


def _reason(reading: Reading, key: str) -> str:
    """Why there is nothing to draw it from."""
    made = {str(one.get("method")) for one in reading.listed("candidates") if one.get("condition") == ALL}
    asked = {
        "figure3": ("bbdm" in made, "this study made no BBDM crops."),
        "figure4": ("cyclegan" in made, "this study made no CycleGAN crops."),
        "figure5": (bool(made), "this study made no synthetic crops."),
        "gallery": (bool(made), "this study made no synthetic crops."),
        "figure6": (bool(reading.listed("filters")), "no filter was fitted."),
        "figure7": (bool(reading.listed("filters")), "no filter was fitted."),
        "figure8": (bool(reading.listed("filters")), "no filter was fitted."),
        "forest": (bool(reading.listed("comparisons")), "there are no arms to compare."),
        "left_out": (bool(reading.left_out), "no condition leaves lines out."),
        "forest_left_out": (bool(reading.left_out), "no condition leaves lines out."),
        "learning_curve": (bool(reading.limited), "no condition limits the aberrations."),
        "losses": (bool(reading.listed("generators")), "no generator was trained."),
        "pr": (reading.split == "test", f"the {SPLITS['test'].lower()} split was not scored."),
    }
    has, why = asked.get(key, (True, ""))
    return "there was too little to draw it from." if has else why
