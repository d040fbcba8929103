"""Synthetic translocations from the demonstration's own chromosomes, by every generator in production.

They show what a laboratory trains classifiers with where it has few aberrations. Nothing of them counts
for the metaphases: the service keeps them apart, and so does the page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from http import HTTPStatus
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

from client.demo.results import ImageResult, SyntheticResult, is_flagged
from client.demo.session import ref_of, see_through
from client.errors import ProblemError
from client.http import Client
from client.records import ArtifactVersion, Crop, Job

MAX_GENERATORS = 3
# So many lie beside each other in a strip. A network needs a moment for each on a processor.
MAX_SOURCES = 12
MAX_SOURCES_OF_A_NETWORK = 8
NETWORK_STEPS = 10
SEED = 1


def find_generators(client: Client) -> list[ArtifactVersion]:
    """The generators in production that can generate, those without a network first."""
    names = dict.fromkeys(version.name for version in client.artifacts("generator"))
    found = [version for name in names if (version := _production(client, name)) is not None]
    able = [version for version in found if not _has_network(version) or version.manifest.get("trained")]
    return sorted(able, key=_has_network)[:MAX_GENERATORS]


def choose_sources(images: Iterable[ImageResult], limit: int) -> list[Crop]:
    """Normal chromosomes that lie free, long ones first, from each metaphase in turn.

    What touches or crosses another would bring a piece of it along, and what is flagged may be a real
    aberration.
    """
    free = [
        sorted(
            (crop for crop in image.crops if not crop.flags and not is_flagged(crop)),
            key=lambda crop: (-crop.area_px, crop.id),
        )
        for image in images
    ]
    return list(islice(_in_turn(free), limit))


def make_synthetic(
    client: Client,
    generator: ArtifactVersion,
    crops: Sequence[Crop],
    picture: Path,
    on_progress: Callable[[Job], None],
) -> SyntheticResult:
    """Generate one crop of each source, and save the strip that shows them as `picture`.

    `crops` are the candidates, the best first; a network takes fewer of them.
    """
    most = MAX_SOURCES_OF_A_NETWORK if _has_network(generator) else MAX_SOURCES
    submitted = client.submit(
        "generation",
        crop_ids=[crop.id for crop in crops[:most]],
        generator=ref_of(generator),
        seed=SEED,
        quality=False,  # a handful of crops says nothing of a generator
        **_sampling(generator),
    )
    job = see_through(client, submitted, on_progress)
    made = SyntheticResult(generator, job, None)
    if not made.crops:
        return made
    return SyntheticResult(generator, job, client.download_samples(job.id, picture, limit=most))


def describe(made: SyntheticResult) -> str:
    """How a generator works, in a few words."""
    method = made.generator.manifest.get("method")
    if method == "painted":
        return "a second chromosome's colour is painted on one side of a cut; there is no network"
    if method == "cyclegan":
        return "a CycleGAN colours the DAPI picture"
    sampling = (made.job.inputs or {}).get("sampling") or {}
    calls = f" in {sampling['steps']} steps of the sampler {sampling['sampler']}" if sampling else ""
    return f"a Brownian Bridge leads from the DAPI picture to colours{calls}"


def _sampling(generator: ArtifactVersion) -> dict[str, Any]:
    """Few steps where a generator takes steps: the demonstration is short."""
    if generator.manifest.get("method") != "bbdm":
        return {}
    return {"sampler": "dbim", "steps": NETWORK_STEPS}


def _has_network(version: ArtifactVersion) -> bool:
    return version.manifest.get("method") != "painted"


def _production(client: Client, name: str) -> ArtifactVersion | None:
    try:
        return client.artifact_version("generator", name, "production")
    except ProblemError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        return None


def _in_turn(lists: Sequence[Sequence[Crop]]) -> Iterator[Crop]:
    """The first of each list, then the second of each, and so on."""
    for row in zip_longest(*lists):
        yield from (crop for crop in row if crop is not None)
