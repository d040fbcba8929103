from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from client.demo.results import ImageResult, SyntheticResult
from client.demo.synthetic import choose_sources, describe, find_generators, make_synthetic
from client.errors import ProblemError
from client.http import Client
from client.records import ArtifactVersion, Crop, Image, Job, JobItem
from tests.fakes.tiny_service import Answer, TinyService, crop, image, job, png, problem

STRIP = "/v1/jobs/job_new/samples.png"


def version(name: str, method: str, **manifest: Any) -> ArtifactVersion:
    """A version of a generator."""
    return ArtifactVersion(kind="generator", name=name, version=2, manifest={"method": method, **manifest})


PAINTED = version("painted", "painted", trained=False)
BRIDGE = version("bridge", "bbdm", trained=True)


def stock(service: TinyService, *versions: ArtifactVersion) -> None:
    """Give a service these generators, all in production."""
    listed = [one.as_json() for one in versions]
    service.first("GET", "/v1/artifacts", Answer(body={"items": listed, "next_cursor": None}))
    for one in versions:
        service.first("GET", f"/v1/artifacts/generator/{one.name}/production", Answer(body=one.as_json()))


def metaphase(*crops: dict[str, Any]) -> ImageResult:
    """A metaphase with these chromosomes."""
    return ImageResult(
        image=Image.model_validate(image("img_1", "S1", "m", "0")),
        item=JobItem(status="succeeded"),
        preview=Path("p.png"),
        overlay=Path("o.png"),
        crops=tuple(Crop.model_validate(one) for one in crops),
    )


def free(crop_id: str, area_px: int, **members: Any) -> dict[str, Any]:
    """A chromosome that touches none."""
    return crop(crop_id, area_px=area_px, flags=[], predicted_class="normal", **members)


class TestFindGenerators:
    def test_those_without_a_network_come_first(self, client: Client, service: TinyService) -> None:
        """What needs no training can always be shown."""
        stock(service, BRIDGE, PAINTED)

        assert [PAINTED, BRIDGE] == find_generators(client)

    def test_passes_over_what_cannot_generate(self, client: Client, service: TinyService) -> None:
        """A starting point for training, and a name without a production version."""
        start, other = version("start", "bbdm", trained=False), version("other", "cyclegan", trained=True)
        stock(service, start, other, PAINTED)
        service.script["GET", "/v1/artifacts/generator/other/production"] = [problem(404, "not_found")]

        assert [PAINTED] == find_generators(client)

    def test_other_errors_are_errors(self, client: Client, service: TinyService) -> None:
        """A broken service is not one without generators."""
        stock(service, PAINTED)
        service.script["GET", "/v1/artifacts/generator/painted/production"] = [problem(500, "internal")]

        with pytest.raises(ProblemError, match="internal"):
            find_generators(client)


class TestChooseSources:
    def test_takes_free_normal_chromosomes_of_every_metaphase_in_turn(self) -> None:
        """Large ones first; what touches another or is flagged is no source."""
        touching = {**free("t", 900), "flags": ["touching"]}
        flagged = {**free("f", 900), "predicted_class": "aberration"}
        images = [
            metaphase(free("a1", 100), free("a2", 300), touching),
            metaphase(flagged),
            metaphase(free("b1", 200)),
        ]

        assert ["a2", "b1", "a1"] == [one.id for one in choose_sources(images, 12)]
        assert ["a2", "b1"] == [one.id for one in choose_sources(images, 2)]


class TestMakeSynthetic:
    @pytest.mark.parametrize(
        ("generator", "body"),
        [
            (PAINTED, {"crop_ids": [f"c{n}" for n in range(12)], "generator": "painted/2"}),
            (
                BRIDGE,
                {
                    "crop_ids": [f"c{n}" for n in range(8)],
                    "generator": "bridge/2",
                    "sampler": "dbim",
                    "steps": 10,
                },
            ),
        ],
    )
    def test_makes_a_crop_of_each_source(
        self,
        client: Client,
        service: TinyService,
        tmp_path: Path,
        generator: ArtifactVersion,
        body: dict[str, Any],
    ) -> None:
        """A network takes fewer sources and few steps; nobody compares a handful with real ones."""
        service.jobs["job_new"] = [job("job_new", "succeeded", result={"crops": 6})]
        service.first("GET", STRIP, Answer(body=png(4, 4)))
        sources = [Crop.model_validate(crop(f"c{n}")) for n in range(20)]

        made = make_synthetic(client, generator, sources, tmp_path / "a" / "s.png", lambda _: None)

        told = json.loads(service.seen("POST", "/v1/jobs")[0].body)
        assert {"kind": "generation", "seed": 1, "quality": False, **body} == told
        assert (6, tmp_path / "a" / "s.png") == (made.crops, made.strip)
        assert png(4, 4) == (tmp_path / "a" / "s.png").read_bytes()

    def test_a_failure_is_told_and_not_raised(
        self, client: Client, service: TinyService, tmp_path: Path
    ) -> None:
        """The chromosomes that were found are shown all the same."""
        service.jobs["job_new"] = [job("job_new", "failed", result=None)]

        made = make_synthetic(
            client, PAINTED, [Crop.model_validate(crop("c"))], tmp_path / "s.png", lambda _: None
        )

        assert (0, None, "failed") == (made.crops, made.strip, made.job.status)


class TestDescribe:
    @pytest.mark.parametrize(
        ("generator", "inputs", "words"),
        [
            (PAINTED, {}, "there is no network"),
            (BRIDGE, {"sampling": {"sampler": "dbim", "steps": 10}}, "in 10 steps of the sampler dbim"),
            (BRIDGE, None, "a Brownian Bridge leads from the DAPI picture to colours"),
            (version("rival", "cyclegan"), {}, "a CycleGAN"),
        ],
    )
    def test_says_how_it_works(self, generator: ArtifactVersion, inputs: Any, words: str) -> None:
        """In a few words, with the steps that were taken."""
        made = SyntheticResult(generator, Job.model_validate(job("j", "succeeded", inputs=inputs)), None)

        assert words in describe(made)
