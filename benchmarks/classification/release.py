"""Ship a classifier that a service trained: weights, manifest and card into `models/weights`.

    curl -sS $API/v1/artifacts/classifier/translocation/1/content -o translocation.zip
    python -m benchmarks.classification.release translocation.zip --hardware "..."

The version must have been trained with ``half_precision`` on the development data set (``python -m
benchmarks.development_set --unpainted``, since a metaphase has unpainted chromosomes too): its figures
are then those of the very bytes that are shipped.
"""

from __future__ import annotations

import argparse
import json
import zipfile
from pathlib import Path
from typing import Any

from models.state_files import sha256_of
from services.pipelines.classifier_card import classifier_card

ROOT = Path(__file__).parents[2]
TARGET = ROOT / "models" / "weights" / "classifier_translocation"
MAX_BYTES = 23 * 1024**2
LIMITS = [
    (
        "The test slides were looked at for two candidates, and the first one's figures prompted the second: "
        "what is told here of test is somewhat optimistic."
    ),
    (
        "Trained on 24-colour M-FISH shown two colours at a time, not on the painting of single pairs: on "
        "other paints it must be trained anew, or at least measured."
    ),
    (
        "Nearly all translocations come from two cell lines, and validation and test slides share lines with "
        "training: expect far less on a new patient (docs/results/classification.md tells how much)."
    ),
    "Labels come from the set's pixel maps, karyotypes and a spectral model; no cytogeneticist checked them.",
]


def main() -> None:
    """Write the three files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("archive", type=Path, help="a version's content, as the service gives it")
    parser.add_argument("--hardware", required=True, help="what it was trained and measured on")
    arguments = parser.parse_args()
    with zipfile.ZipFile(arguments.archive) as archive:
        manifest: dict[str, Any] = json.loads(archive.read("manifest.json"))
        weights = archive.read("weights.safetensors")
    if len(weights) > MAX_BYTES or sha256_of(weights) != manifest["weights_sha256"]:
        raise SystemExit("Train with half_precision, and give the archive as it was downloaded.")
    manifest = manifest | {
        "name": "translocation",
        "limits": LIMITS,
        "notice": (ROOT / "samples" / "NOTICE").read_text(encoding="utf-8").strip(),
        "training_data": "ADIR / PSI M-FISH image set #1, 2000; chromosomes of the training slides in every "
        "two-colour view, normal ones painted or not",
        "hardware": arguments.hardware,
    }
    manifest["training"].pop("job_id")
    TARGET.with_suffix(".safetensors").write_bytes(weights)
    TARGET.with_suffix(".json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    TARGET.with_suffix(".md").write_text(classifier_card(manifest), encoding="utf-8")
    print(f"{len(weights)} bytes, sha256 {sha256_of(weights)}")


if __name__ == "__main__":
    main()
