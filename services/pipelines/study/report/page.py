"""A study's report as one HTML file that asks no network for anything and runs no script."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from services.pipelines.study.report.sections import report_of

_FOLDER: Final = Path(__file__).parent / "template"
_TEMPLATE: Final = "report.html.j2"


def report_html(results: Mapping[str, Any], figures: Mapping[str, bytes | None]) -> bytes:
    """Write the report of a study as HTML.

    Parameters
    ----------
    results
        What ``results.json`` holds, schema 1.
    figures
        PNG by name, see `services.pipelines.study_captions.KEYS`; None for one that could not be drawn.

    Returns
    -------
    bytes
        UTF-8; the same for the same input.
    """
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(_TEMPLATE).render(
        report=report_of(results, figures),
        style=Markup((_FOLDER / "report.css").read_text(encoding="utf-8")),  # noqa: S704 - our own file
        encoded=lambda png: base64.b64encode(png).decode("ascii"),
    )
    return page.strip().encode()
