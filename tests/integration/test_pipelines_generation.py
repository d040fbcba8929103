"""Generation jobs, from submission to packs, rows and reports."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import httpx
import numpy as np
import pytest

from api.wiring import Wiring
from models.classification.preprocessing import Preprocessing
from models.segmentation.crops import CropPack
from services.crops.canvases import canvases_of_crops
from services.crops.repository import CropRepository
from services.db.tables import CropRow
from services.jobs.params import ClassificationRequest
from tests.support.classifiers import add_classifier
from tests.support.generated import (
    CANVAS_PX,
    SCALE,
    add_bridge,
    add_cyclegan,
    add_dataset,
    add_painter,
    crops_of,
    generate,
    pixels_of,
    submit,
)
from tests.support.imported import import_crops
from tests.support.jobs import run_here
from tests.support.segmented import segment

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def painter(wiring: Wiring) -> str:
    return add_painter(wiring)


def by_source(wiring: Wiring, job_id: str) -> dict[tuple[str, int], bytes]:
    """Pixels of a job's crops by source and sample number."""
    crops = crops_of(wiring, job_id)
    pixels = pixels_of(wiring.store, crops)
    return {
        (crop.synthetic.source_crop_id, crop.synthetic.sample_number): one.tobytes()
        for crop, one in zip(crops, pixels, strict=True)
        if crop.synthetic is not None
    }


def source_canvas(wiring: Wiring, crop_id: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """What a generator sees of a real crop, (3, S, S)."""
    with wiring.readers() as session:
        (packed,) = CropRepository(session).packed([crop_id])
    pack = CropPack.from_npz(wiring.store.get(packed.pack_key))
    return canvases_of_crops(pack, [packed], Preprocessing(CANVAS_PX, SCALE))[0]


class TestGeneration:
    def test_makes_every_sample_of_every_source(self, wiring: Wiring, painter: str) -> None:
        """Each crop says what it was made from and how, and belongs to the job alone."""
        sources = import_crops(wiring, 3, seed=1)
        job = generate(wiring, painter, crop_ids=sources, samples_per_source=2, seed=5)
        crops = crops_of(wiring, job.id)

        assert (6, 3, painter) == (job.result["crops"], job.result["sources"], job.result["generator"])
        assert [(s, n) for s in sources for n in (0, 1)] == [
            (c.source_crop_id, c.synthetic.sample_number) for c in crops if c.synthetic
        ]
        assert {("generated", None, None, job.id)} == {
            (c.origin, c.sample, c.image_id, c.job_id) for c in crops
        }
        assert {(painter, 5, SCALE)} == {
            (c.synthetic.generator, c.synthetic.seed, c.synthetic.canvas_scale) for c in crops if c.synthetic
        }
        assert (None, "6 of 6 crops") == (job.sample, job.progress.message)

    def test_keeps_the_sources_dapi(self, wiring: Wiring, painter: str) -> None:
        """A synthetic crop is the source in other colours, cut out by the same mask."""
        (source,) = import_crops(wiring, 1, seed=2)
        (made,) = crops_of(wiring, generate(wiring, painter, crop_ids=(source,)).id)
        pixels, canvas = pixels_of(wiring.store, [made])[0], source_canvas(wiring, source)
        y0, x0, y1, x1 = made.bbox

        assert canvas[2].tobytes() == pixels[2].tobytes()
        assert canvas[:2].tobytes() != pixels[:2].tobytes()
        assert pixels.any(axis=0).sum() == pixels[:, y0:y1, x0:x1].any(axis=0).sum() <= made.area_px

    @pytest.mark.parametrize("add", [add_painter, add_bridge, add_cyclegan])
    def test_does_not_depend_on_company(self, wiring: Wiring, add: Callable[[Wiring], str]) -> None:
        """Alone or with others, by every method, a source and a seed give the same bytes."""
        sources = import_crops(wiring, 3, seed=3)
        generator = add(wiring)
        together = by_source(wiring, generate(wiring, generator, crop_ids=sources, seed=7).id)
        alone = by_source(wiring, generate(wiring, generator, crop_ids=sources[1:2], seed=7).id)

        assert together[(sources[1], 0)] == alone[(sources[1], 0)]
        assert 3 == len(set(together.values()))

    @pytest.mark.parametrize("add", [add_painter, add_bridge])
    def test_seeds_and_samples_differ(self, wiring: Wiring, add: Callable[[Wiring], str]) -> None:
        """Another seed, or another sample of the same source, is another picture."""
        source = import_crops(wiring, 1, seed=4)
        generator = add(wiring)
        made = [
            by_source(wiring, generate(wiring, generator, crop_ids=source, samples_per_source=2, seed=s).id)
            for s in (0, 1)
        ]

        assert 4 == len({pixels for job in made for pixels in job.values()})

    def test_job_samples_as_it_was_told(self, wiring: Wiring) -> None:
        """Steps and sampler of the job come before those of the generator, and are kept with the job."""
        source = import_crops(wiring, 1, seed=5)
        bridge = add_bridge(wiring)
        usual = generate(wiring, bridge, crop_ids=source)
        short = generate(wiring, bridge, crop_ids=source, steps=3)
        other = generate(wiring, bridge, crop_ids=source, sampler="dbim", steps=3, order=1)

        assert {"sampler": "bbdm", "steps": 4, "eta": 1.0, "order": 2} == usual.inputs["sampling"]
        assert ("bbdm", 3) == (short.inputs["sampling"]["sampler"], short.inputs["sampling"]["steps"])
        assert {"sampler": "dbim", "steps": 3, "eta": 1.0, "order": 1} == other.inputs["sampling"]
        assert 3 == len({tuple(by_source(wiring, job.id).values()) for job in (usual, short, other)})

    def test_painting_of_the_job_wins(self, wiring: Wiring, painter: str) -> None:
        """A parameter that the job gives replaces the generator's own."""
        source = import_crops(wiring, 2, seed=6)
        plain = generate(wiring, painter, crop_ids=source)
        steep = generate(wiring, painter, crop_ids=source, painting={"dapi_exponent": [3.0, 3.0]})

        assert by_source(wiring, plain.id) != by_source(wiring, steep.id)

    def test_items_are_batches_of_one_pack(self, wiring: Wiring, painter: str) -> None:
        """Sources of two packs are at least two items, each with a pack of its own."""
        first, second = import_crops(wiring, 70, seed=7), import_crops(wiring, 2, seed=8)
        job = generate(wiring, painter, crop_ids=(*second, *first))
        items = wiring.jobs.items(job.id).items

        assert [64, 6, 2] == [item.outputs["crops"] for item in items]
        assert 3 == len({crop.pack_key for crop in crops_of(wiring, job.id)})
        assert 3 == job.progress.done

    def test_takes_chromosomes_of_a_metaphase(
        self, wiring: Wiring, client: httpx.Client, painter: str
    ) -> None:
        """Crops that a segmentation found are sources; one without fluorescence gets two colours."""
        found = segment(wiring, client, f"S-{uuid.uuid4()}")
        job = generate(wiring, painter, job_id=found.job_id)
        pixels = pixels_of(wiring.store, crops_of(wiring, job.id))

        assert 2 == job.result["crops"]
        assert pixels[:, :2].any(axis=(1, 2, 3)).all()
        assert job.sample is None


class TestInterruptions:
    @pytest.mark.parametrize("add", [add_painter, add_bridge])
    def test_ends_with_the_same_bytes(self, wiring: Wiring, add: Callable[[Wiring], str]) -> None:
        """A job that was handed back again and again, also within a batch, ends as one that was not."""
        sources = import_crops(wiring, 66, seed=9) + import_crops(wiring, 3, seed=10)
        generator = add(wiring)
        undisturbed = generate(wiring, generator, crop_ids=sources, seed=3)
        job = submit(wiring, generator, crop_ids=sources, seed=3)
        statuses = []
        for allowed in (3, 70, 80, 10_000):
            checks = iter(range(allowed))
            statuses.append(run_here(wiring, job.id, lambda c=checks: next(c, None) is None).status)
            if statuses[-1] == "succeeded":
                break
        ended = wiring.jobs.get(job.id)
        packs = [
            [item.outputs["pack_sha256"] for item in wiring.jobs.items(one.id).items]
            for one in (undisturbed, ended)
        ]

        assert ("queued", "succeeded") == (statuses[0], statuses[-1])
        assert ended.attempt >= 2
        assert packs[0] == packs[1]
        assert by_source(wiring, undisturbed.id) == by_source(wiring, ended.id)

    def test_missing_pack_fails_its_own_batch(self, wiring: Wiring, painter: str) -> None:
        """What can be read is generated; a retry makes up for the rest, and nothing is there twice."""
        lost, kept = import_crops(wiring, 2, seed=11), import_crops(wiring, 2, seed=12)
        with wiring.readers() as session:
            key = session.get_one(CropRow, lost[0]).pack_key
        content = wiring.store.get(key)
        wiring.store.delete(key)
        partial = run_here(wiring, submit(wiring, painter, crop_ids=lost + kept).id)
        wiring.store.put(key, content)
        wiring.jobs.retry(partial.id)
        ended = run_here(wiring, partial.id)

        assert ("partial", 2) == (partial.status, partial.result["crops"])
        assert ("succeeded", 4) == (ended.status, ended.result["crops"])
        assert 4 == len(crops_of(wiring, ended.id))

    def test_cancelled_job_keeps_what_it_made(self, wiring: Wiring, painter: str) -> None:
        """A cancellation is honoured between two pictures, and the batches before stay."""
        sources = import_crops(wiring, 66, seed=13)
        job = submit(wiring, painter, crop_ids=sources)
        asked = []

        def stopping() -> bool:
            if len(crops_of(wiring, job.id)) and not asked:
                asked.append(wiring.jobs.cancel(job.id).status)
            return bool(asked)

        ended = run_here(wiring, job.id, stopping)
        later = run_here(wiring, job.id)

        assert ["cancelling"] == asked
        assert "cancelled" == later.status
        assert ended.status in ("cancelled", "cancelling")
        assert 64 == len(crops_of(wiring, job.id))


class TestClassification:
    def test_classifies_a_generation(self, wiring: Wiring, painter: str) -> None:
        """Synthetic crops are scored when their job is named."""
        classifier = add_classifier(wiring, f"c-{uuid.uuid4().hex[:8]}")
        made = generate(wiring, painter, crop_ids=import_crops(wiring, 2, seed=14))
        body = {"kind": "classification", "job_id": made.id, "classifier": classifier}
        job = run_here(wiring, wiring.submissions.submit(ClassificationRequest.model_validate(body)).id)

        assert ("succeeded", 2, None) == (job.status, job.result["crops"], job.sample)
        assert {classifier} == {c.predictions[0].classifier for c in crops_of(wiring, made.id)}

    def test_classifier_sees_the_canvas_that_was_generated(self, wiring: Wiring, painter: str) -> None:
        """With the generator's canvas and scale nothing is resampled; the repository knows the scale."""
        made = crops_of(wiring, generate(wiring, painter, crop_ids=import_crops(wiring, 2, seed=15)).id)
        with wiring.readers() as session:
            packed = CropRepository(session).packed([crop.id for crop in made])
        pack = CropPack.from_npz(wiring.store.get(made[0].pack_key))

        assert [SCALE, SCALE] == [one.canvas_scale for one in packed]
        assert (
            pack.pixels.tobytes()
            == canvases_of_crops(pack, packed, Preprocessing(CANVAS_PX, SCALE)).tobytes()
        )


class TestQuality:
    @pytest.fixture
    def dataset(self, wiring: Wiring) -> str:
        """Normals and aberrations in train, and aberrations that are held out."""
        normal, aberrant = import_crops(wiring, 12, seed=16), import_crops(wiring, 20, seed=17)
        held_out = import_crops(wiring, 2, seed=18)
        return add_dataset(
            wiring,
            [(c, "normal", "train") for c in normal]
            + [(c, "aberration", "train") for c in aberrant]
            + [(c, "aberration", "test") for c in held_out],
        )

    def test_compares_with_the_training_aberrations(self, wiring: Wiring, painter: str, dataset: str) -> None:
        """The report of a job on a data set looks at all that was made, beside what may be looked at."""
        classifier = add_classifier(wiring, f"c-{uuid.uuid4().hex[:8]}")
        job = generate(wiring, painter, dataset=dataset, quality=True, classifier=classifier)
        quality, report = job.result["quality"], wiring.reports.get(job.id)

        assert ("made", dataset, classifier) == (
            quality["status"],
            quality["compared_with"],
            quality["classifier"],
        )
        assert [12, 20] == [quality["figures"][name]["looked_at"] for name in ("generated", "real")]
        assert report.figures == quality["figures"]
        assert report.figures["embeddings"]["dimensions"] == 512
        assert set(report.pictures) == set(quality["pictures"])
        assert all(wiring.reports.picture(job.id, n).startswith(b"\x89PNG") for n in report.pictures)

    def test_is_the_same_after_an_interruption(self, wiring: Wiring, painter: str, dataset: str) -> None:
        """The report follows from what was made, not from how often the job was begun."""
        undisturbed = generate(wiring, painter, dataset=dataset, quality=True)
        job = submit(wiring, painter, dataset=dataset, quality=True)
        checks = iter(range(15))
        run_here(wiring, job.id, lambda: next(checks, None) is None)
        ended = run_here(wiring, job.id)

        assert 2 == ended.attempt
        assert wiring.reports.get(undisturbed.id) == wiring.reports.get(ended.id)

    def test_named_reference_comes_first(self, wiring: Wiring, painter: str, dataset: str) -> None:
        """Crops from anywhere can be compared with the aberrations of a data set that is named."""
        job = generate(
            wiring, painter, crop_ids=import_crops(wiring, 2, seed=19), quality=True, reference=dataset
        )

        assert ("made", dataset) == (
            job.result["quality"]["status"],
            job.result["quality"]["compared_with"],
        )

    def test_generator_is_compared_with_what_it_learnt_from(self, wiring: Wiring, dataset: str) -> None:
        """The data set of the manifest counts, unless another one has its name here."""
        name, _, _ = dataset.partition("/")
        trained_on = {"name": name, "version": 1, "sha256": "0" * 64}
        source = import_crops(wiring, 2, seed=20)
        mine = generate(wiring, add_cyclegan(wiring, dataset=trained_on), crop_ids=source, quality=True)
        other = add_cyclegan(wiring, dataset=trained_on | {"sha256": "1" * 64})
        foreign = generate(wiring, other, crop_ids=source, quality=True)

        assert dataset == mine.result["quality"]["compared_with"]
        assert "skipped" == foreign.result["quality"]["status"]

    def test_held_out_groups_of_the_generator_stay_out(self, wiring: Wiring, dataset: str) -> None:
        """What a generator was kept from is no yardstick of what it learnt."""
        name, _, _ = dataset.partition("/")
        generator = add_cyclegan(
            wiring,
            dataset={"name": name, "version": 1, "sha256": "0" * 64},
            held_out_groups={"left_out": ["slide-train"]},
        )
        job = generate(wiring, generator, crop_ids=import_crops(wiring, 1, seed=21), quality=True)

        assert "holds no aberration" in job.result["quality"]["reason"]

    def test_nothing_to_compare_with(self, wiring: Wiring, painter: str) -> None:
        """Without any data set the report is left out, and the job says so."""
        job = generate(wiring, painter, crop_ids=import_crops(wiring, 1, seed=22), quality=True)

        assert ("succeeded", "skipped") == (job.status, job.result["quality"]["status"])
        assert "Name one as reference" in job.result["quality"]["reason"]

    def test_failure_costs_no_crop(self, wiring: Wiring, painter: str) -> None:
        """A real crop whose pack is gone spoils the report, and nothing else."""
        normal, aberrant = import_crops(wiring, 2, seed=23), import_crops(wiring, 2, seed=24)
        dataset = add_dataset(wiring, [(normal[0], "normal", "train"), (aberrant[0], "aberration", "train")])
        with wiring.readers() as session:
            wiring.store.delete(session.get_one(CropRow, aberrant[0]).pack_key)
        job = generate(wiring, painter, dataset=dataset, quality=True)

        assert ("succeeded", 1, "failed") == (
            job.status,
            job.result["crops"],
            job.result["quality"]["status"],
        )
        assert "No object is stored" in job.result["quality"]["reason"]
