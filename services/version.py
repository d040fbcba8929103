"""The version that `/healthz`, the OpenAPI document, traces and reports give."""

from __future__ import annotations

from typing import Final

# Also in pyproject.toml, which the images do not hold; tests/unit/test_house.py keeps the two equal.
VERSION: Final = "0.1.0"
