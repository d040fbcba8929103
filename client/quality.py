"""A quality report in words: what the command line and the page tell of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from client.members import members, number
from client.records import Job, Quality


def quality_state(job: Job) -> tuple[str, str]:
    """Whether an ended generation job has a report.

    Returns
    -------
    status, reason
        ``made``, or ``skipped``, ``failed`` or ``none`` with the reason why there is none.
    """
    told = members(members(job.result).get("quality"))
    status = str(told.get("status") or "none")
    return status, "" if status == "made" else str(told.get("reason") or "it was not asked for")


def facts_of_quality(quality: Quality) -> list[tuple[str, str]]:
    """Name and sentence of what the report measured; what it does not tell is left out."""
    figures = quality.figures
    facts = [
        ("compared", _compared(quality)),
        ("likeness", _likeness(members(figures.get("max_ssim")))),
        ("copies", _copies(figures)),
        ("embeddings", _embeddings(quality)),
        ("variety", _variety(members(figures.get("diversity")))),
        ("collapse", _collapse(figures.get("signs_of_collapse"))),
    ]
    return [(name, sentence) for name, sentence in facts if sentence]


def _compared(quality: Quality) -> str:
    crops = _looked_at(quality.figures, "generated", "synthetic crops")
    real = _looked_at(quality.figures, "real", "training aberrations")
    return f"{crops} with {real} of {quality.compared_with}"


def _looked_at(figures: Mapping[str, Any], kind: str, what: str) -> str:
    told = members(figures.get(kind))
    total, some = number(told.get("total")), number(told.get("looked_at"))
    if total is None or some is None:
        return what
    return f"{some:.0f} {what}" if some == total else f"{some:.0f} of {total:.0f} {what}"


def _likeness(ssim: Mapping[str, Any]) -> str:
    own, usual = (number(members(ssim.get(kind)).get("p50")) for kind in ("generated", "real"))
    if own is None:
        return ""
    text = f"the most similar real crop has an SSIM of {own:.2f} (median)"
    return text if usual is None else f"{text}; among real ones {usual:.2f}"


def _copies(figures: Mapping[str, Any]) -> str:
    told = members(figures.get("memorisation"))
    copies, threshold = number(told.get("copies")), number(told.get("threshold"))
    if copies is None:
        return ""
    if threshold is None:
        return "not looked for: one real chromosome sets no limit"
    share = number(told.get("copies_share"))
    part = "" if copies == 0 or share is None else f" ({share:.1%})"
    count = "none" if copies == 0 else f"{copies:.0f}{part}"
    return f"{count} so near to a real crop that it may be a copy (SSIM above {threshold:.2f})"


def _embeddings(quality: Quality) -> str:
    told = members(quality.figures.get("embeddings"))
    distance = number(told.get("frechet_distance"))
    if distance is None:
        why = "no classifier" if quality.classifier is None else "too few crops"
        return f"not compared: {why}"
    usual = number(members(told.get("yardstick")).get("frechet_distance"))
    halves = "" if usual is None else f"; between two halves of the real ones {usual:.1f}"
    return f"Fréchet distance {distance:.1f}{halves} (by {quality.classifier})"


def _variety(told: Mapping[str, Any]) -> str:
    own, real = members(told.get("generated")), members(told.get("real"))
    covered, effective = number(own.get("pairs_covered")), number(own.get("effective_pairs"))
    if covered is None or effective is None:
        return ""
    text = f"{covered:.0f} colour pairs, as varied as {effective:.1f} equally frequent ones"
    usual = number(real.get("effective_pairs"))
    if usual is not None:
        text += f" (real {usual:.1f})"
    share, usual = number(own.get("two_coloured_share")), number(real.get("two_coloured_share"))
    if share is not None:
        text += f"; a junction is read in {share:.0%}" + ("" if usual is None else f" (real {usual:.0%})")
    return text


def _collapse(signs: Any) -> str:
    if not isinstance(signs, list):
        return ""
    return " ".join(str(sign) for sign in signs) or "no sign of it"
