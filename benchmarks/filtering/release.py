"""Fit the filter that is shipped, and write filter, manifest, card and picture into `models/weights`.

    python -m benchmarks.filtering.release --data FOLDER --hardware "..."

FOLDER is the ADIR M-FISH development set. A service of its own, in ``--work``, takes it in as the data set
that the shipped classifier learnt from, and fits the filter on that classifier's embeddings as any lab
would. What is there already is taken up by a second call. Test slides are not read.

The page ``map.html`` is left out: it holds pictures of the chromosomes. The map of any filtering job shows
the same places, with the crops of that job.
"""

from __future__ import annotations

import argparse
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.development_set.building import Builder
from benchmarks.development_set.tables import read_slides
from benchmarks.generation.generators import CLASSIFIER, WEIGHTS
from client.demo.service import DemoService
from client.http import Client
from client.records import Job
from models.state_files import sha256_of
from services.pipelines.filter_card import filter_card

ROOT = Path(__file__).parents[2]
TARGET = WEIGHTS / "filter_translocation"
NORMAL_RATIO = 12  # more would not fit into a clone that stays quick
LIMITS = [
    (
        "It knows 233 pictures of 112 chromosomes, nearly all of two cell lines, and validation slides share "
        "lines with training: expect less of a new patient's."
    ),
    (
        "24-colour M-FISH shown two colours at a time, not the painting of single pairs: on other paints "
        "classifier and filter must be made anew, or at least measured."
    ),
    "Labels come from the set's pixel maps, karyotypes and a spectral model; no cytogeneticist checked them.",
]


def main() -> None:
    """Fit, and write the files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("var/benchmarks/filter"))
    parser.add_argument("--hardware", required=True, help="what it was fitted on")
    options = parser.parse_args()
    classifier = json.loads(CLASSIFIER.read_text(encoding="utf-8"))
    archive = options.work / "filter.zip"
    with DemoService(ROOT, options.work) as service:
        service.wait_ready()
        with Client(service.url) as client:
            job = fit(client, options.data, classifier)
            name, _, version = str((job.result or {})["artifact"]).partition("/")
            client.download_artifact("filter", name, version, archive)
    manifest = write(archive, classifier, options.hardware)
    print(f"sha256 {manifest['weights_sha256']}, {job.run_s} s, {manifest['metrics']['acceptance']}")


def fit(client: Client, data: Path, classifier: Mapping[str, Any]) -> Job:
    """Build the classifier's data set in a service, and fit a filter on the classifier's embeddings."""
    name = classifier["dataset"]["name"]
    version = Builder(client, name, advance=print).build(read_slides(data, unpainted=True))
    job = client.submit(
        "filter_fitting",
        name=classifier["name"],
        dataset=f"{name}/{version['version']}",
        classifier=f"{classifier['name']}/1",
        normal_ratio=NORMAL_RATIO,
        seed=0,
        licence=classifier["licence"],
        description="Fitted with benchmarks.filtering.release on the ADIR / PSI M-FISH image set #1.",
    )
    job = client.wait(job.id, on_progress=lambda state: print(state.progress.message, flush=True))
    if job.status != "succeeded":
        raise SystemExit(f"Job {job.id} ended as {job.status}: {job.error}")
    return job


def write(archive: Path, classifier: Mapping[str, Any], hardware: str) -> dict[str, Any]:
    """Write the filter, and what describes it.

    Parameters
    ----------
    archive
        A version's content, as the service gives it.
    """
    with zipfile.ZipFile(archive) as members:
        manifest: dict[str, Any] = json.loads(members.read("manifest.json"))
        content, picture = members.read("filter.safetensors"), members.read("plot.png")
    if sha256_of(content) != manifest["weights_sha256"]:
        raise SystemExit(f"{archive} is damaged; run again.")
    if manifest["classifier"]["weights_sha256"] != classifier["weights_sha256"]:
        raise SystemExit("The filter was fitted on another classifier than the shipped one.")
    manifest |= {
        "limits": LIMITS,
        "notice": (ROOT / "samples" / "NOTICE").read_text(encoding="utf-8").strip(),
        "hardware": hardware,
    }
    manifest["fit"].pop("job_id")
    TARGET.with_suffix(".safetensors").write_bytes(content)
    TARGET.with_suffix(".json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    TARGET.with_suffix(".md").write_text(filter_card(manifest), encoding="utf-8")
    TARGET.with_suffix(".png").write_bytes(picture)
    return manifest


if __name__ == "__main__":
    main()
