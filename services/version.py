"""The version that `/healthz`, the OpenAPI document and reports give."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Final

_PROJECT = Path(__file__).parents[1] / "pyproject.toml"

# An application that runs from its folder has one place for its version: that file.
VERSION: Final[str] = tomllib.loads(_PROJECT.read_text("utf-8"))["project"]["version"]
