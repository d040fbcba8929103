"""Numbers that the paper prints, for the columns beside our own: Tallon et al., ICMV 2024, CC BY 4.0."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

NAME: Final = "Tallon et al., ICMV 2024 (hal-04900898)"
# Table 1: normal crops and aberrations by split.
SPLITS: Final = MappingProxyType({"train": (10_849, 1_021), "val": (4_095, 397), "test": (3_114, 263)})
# Table 2: chromosomes of metaphases without annotation, DAPI only.
UNANNOTATED_CHROMOSOMES: Final = 31_507
UNANNOTATED_METAPHASES: Final = 9_130
# Table 4: crops before and after the filter.
FILTERED: Final = (31_507, 24_619)
# Tables 3, 5 and 6: precision, recall and F1 of the aberration class, mean ± std, by our name for the arm.
SCORES: Final = MappingProxyType(
    {
        "real": ("0.81 ± 0.04", "0.72 ± 0.03", "0.76 ± 0.02"),
        "augmented": ("0.83 ± 0.02", "0.78 ± 0.01", "0.81 ± 0.01"),
        "real-bbdm": ("0.75 ± 0.07", "0.84 ± 0.02", "0.79 ± 0.04"),
        "real-cyclegan": ("0.85 ± 0.03", "0.14 ± 0.09", "0.23 ± 0.05"),
        "augmented-bbdm-filtered": ("0.84 ± 0.02", "0.83 ± 0.02", "0.84 ± 0.01"),
    }
)
TEST_NORMALS_PER_ABERRATION: Final = 11.8
