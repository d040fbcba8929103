"""Turn trained weights into what is shipped: weights, manifest, card and results page.

    python -m benchmarks.segmentation.release --data PATH/mfish --weights var/segmenter/weights.safetensors \
        --hardware "2 cores of an Intel Xeon, no GPU"

Scores the validation and the test subset (once, with everything chosen before), copies the weights
to models/weights, and writes docs/results/segmentation.md from the scores.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.segmentation import evaluate
from models.segmentation import network
from services.pipelines.segmenter_manifest import segmenter_manifest

ROOT = Path(__file__).parents[2]
NAME = "segmenter_chromosome"
RESULTS = ROOT / "docs" / "results" / "segmentation"
TRAINING = ("python -m benchmarks.segmentation.train_shipped --data PATH/mfish --out var/segmenter",)
METHOD_COLUMNS = {
    "ap_50": "AP@0.5",
    "ap_75": "AP@0.75",
    "ap_50_isolated": "isolated",
    "ap_50_touching": "touching",
    "recall_50": "recall",
    "precision_50": "precision",
    "mean_absolute_count_error": "count error",
    "seconds_per_image": "s / image",
}


def main() -> None:
    """Score both subsets and write every file that goes with the weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--hardware", required=True)
    options = parser.parse_args()
    weights = options.weights.read_bytes()
    reports = {
        subset: evaluate.run(options.data, options.weights, subset, RESULTS) for subset in ("val", "test")
    }
    folder = ROOT / "models" / "weights"
    (folder / f"{NAME}.safetensors").write_bytes(weights)
    manifest = _manifest(weights, reports)
    (folder / f"{NAME}.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    notice = (options.data / "NOTICE").read_text(encoding="utf-8").strip().replace("\n", "\n> ")
    tables = "\n".join(_methods_table(subset, report) for subset, report in reports.items())
    (folder / f"{NAME}.md").write_text(_filled("card.md", tables, notice, options.hardware), encoding="utf-8")
    slides = "\n".join(_slides_table(subset, report) for subset, report in reports.items())
    page = _filled("results.md", f"{tables}\n{slides}\n{_details(reports)}", notice, options.hardware)
    (RESULTS.parent / "segmentation.md").write_text(page, encoding="utf-8")


def _manifest(weights: bytes, reports: dict[str, dict[str, Any]]) -> dict[str, Any]:
    net = network.from_bytes(weights)
    about = {
        "preprocessing": "DAPI; 1st percentile to 0, 99th to 1; rescaled by diam_mean_px / diameter_px",
        "licence": "BSD-3-Clause; the notice of the training data in the card goes with every copy",
        "training_data": "ADIR / PSI M-FISH image set #1, 2000; slides A06 A20 P08 P12 V13 V16 V29",
        "recipe": list(TRAINING),
        "metrics": {subset: report["methods"]["karyobridge"] for subset, report in reports.items()},
    }
    return segmenter_manifest("chromosome", net, weights, float(net.diam_labels.item()), about)


def _filled(template: str, tables: str, notice: str, hardware: str) -> str:
    text = (Path(__file__).parent / "templates" / template).read_text(encoding="utf-8")
    values = {"tables": tables, "notice": notice, "hardware": hardware, "training": "\n".join(TRAINING)}
    for name, value in values.items():
        text = text.replace("{{" + name + "}}", value)
    return text


def _methods_table(subset: str, report: dict[str, Any]) -> str:
    first = report["methods"]["karyobridge"]
    title = f"**{subset}**: {first['images']} metaphases, {first['chromosomes']} chromosomes\n\n"
    return title + _table(report["methods"])


def _slides_table(subset: str, report: dict[str, Any]) -> str:
    return f"**{subset}, by slide**\n\n" + _table(report["slides"])


def _table(rows: dict[str, dict[str, Any]]) -> str:
    lines = [
        "| | " + " | ".join(METHOD_COLUMNS.values()) + " |",
        "|---" * (len(METHOD_COLUMNS) + 1) + "|",
    ]
    for name, row in rows.items():
        values = (f"{row[column]:.3f}" for column in METHOD_COLUMNS)
        lines.append(f"| {name} | " + " | ".join(values) + " |")
    return "\n".join(lines) + "\n"


def _details(reports: dict[str, dict[str, Any]]) -> str:
    lines = ["**Flags and removal**\n"]
    for subset, report in reports.items():
        removal = report["removal"]
        lines += [
            f"- {subset}, flag {flag!r}: precision {q['precision']:.2f}, recall {q['recall']:.2f} "
            f"({q['flagged']} flagged, {q['true']} true)."
            for flag, q in report["flags"].items()
        ]
        alone = report["touching_on_true_masks"]
        lines.append(
            f"- {subset}, the definition of touching on true masks: precision {alone['precision']:.2f}, "
            f"recall {alone['recall']:.2f}."
        )
        lines.append(
            f"- {subset}, true chromosomes that size and shape rules would refuse: "
            f"{sum(removal['true_masks_refused'].values())} of {removal['true_masks']}; the flow check drops "
            f"{removal['true_positives_dropped_by_flow_check']} that were right and "
            f"{removal['false_positives_dropped_by_flow_check']} that were wrong."
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
