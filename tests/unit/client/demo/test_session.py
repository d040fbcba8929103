from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from client.demo.session import NothingSegmentedError, collect, find_classifier, run_job, upload_samples
from client.errors import LocalFileError, ProblemError
from client.http import Client
from client.records import ArtifactVersion, BatchItem, Job
from client.uploading import UploadReport
from tests.fakes.tiny_service import Answer, TinyService, crop, image, job, problem

REPORT = UploadReport(items=(BatchItem(filename="a", status="stored", image_id="img_0000"),))

CLASSIFIER = ArtifactVersion(kind="classifier", name="translocation", version=3, manifest={"trained": True})
PRODUCTION = "/v1/artifacts/classifier/translocation/production"


class TestUploadSamples:
    def test_says_that_there_are_no_samples(self, client: Client, tmp_path: Path) -> None:
        """An empty folder is named."""
        with pytest.raises(LocalFileError, match="no sample images"):
            upload_samples(client, tmp_path, lambda _: None)

    def test_says_why_all_were_refused(self, client: Client, tmp_path: Path) -> None:
        """The service's reason is passed on."""
        (tmp_path / "m_dapi.tif").write_bytes(b"bad")

        with pytest.raises(NothingSegmentedError, match="cut short"):
            upload_samples(client, tmp_path, lambda _: None)


class TestFindClassifier:
    def test_finds_what_is_in_production(self, client: Client, service: TinyService) -> None:
        """Its exact version is what the job will use."""
        service.first("GET", PRODUCTION, Answer(body=CLASSIFIER.as_json()))

        assert find_classifier(client) == CLASSIFIER

    @pytest.mark.parametrize(
        "answer",
        [
            problem(404, "not_found"),
            Answer(body=CLASSIFIER.model_copy(update={"manifest": {"trained": False}}).as_json()),
        ],
    )
    def test_does_without(self, client: Client, service: TinyService, answer: Answer) -> None:
        """No such artifact, or a mere starting point for training: chromosomes are found all the same."""
        service.first("GET", PRODUCTION, answer)

        assert find_classifier(client) is None

    def test_other_errors_are_errors(self, client: Client, service: TinyService) -> None:
        """A broken service is not one without a classifier."""
        service.first("GET", PRODUCTION, problem(500, "internal"))

        with pytest.raises(ProblemError, match="internal"):
            find_classifier(client)


class TestRunJob:
    @pytest.mark.parametrize(
        ("classifier", "body"),
        [
            (CLASSIFIER, {"kind": "scoring", "image_ids": ["img_0000"], "classifier": "translocation/3"}),
            (None, {"kind": "segmentation", "image_ids": ["img_0000"]}),
        ],
    )
    def test_scores_if_it_can(
        self, client: Client, service: TinyService, classifier: ArtifactVersion | None, body: dict[str, Any]
    ) -> None:
        """One job does it all; without a classifier chromosomes are found and not scored."""
        service.jobs["job_new"] = [job("job_new", "succeeded")]

        run_job(client, REPORT, classifier, lambda _: None)

        assert json.loads(service.seen("POST", "/v1/jobs")[0].body) == body

    def test_says_why_the_job_failed(self, client: Client, service: TinyService) -> None:
        """Code and detail of the job's problem."""
        error = {"code": "segmenter_missing", "title": "T", "detail": "No weights."}
        service.jobs["job_new"] = [job("job_new", "failed", error=error)]

        with pytest.raises(NothingSegmentedError, match=r"No weights\. \[segmenter_missing\]"):
            run_job(client, REPORT, None, lambda _: None)

    def test_leaves_no_job_behind_when_interrupted(self, client: Client, service: TinyService) -> None:
        """The next demonstration does not have to finish this one's work."""
        service.jobs["job_new"] = [job("job_new", "running")]

        def interrupt(_: Job) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run_job(client, REPORT, None, interrupt)

        assert len(service.seen("POST", "/v1/jobs/job_new/cancel")) == 1


class TestCollect:
    def test_gathers_what_the_page_shows(self, client: Client, service: TinyService, tmp_path: Path) -> None:
        """Pictures, crops and facts of the images that came through; old pictures are gone."""
        (tmp_path / "crops").mkdir()
        (tmp_path / "crops" / "old.png").touch()
        service.images = [image("img_0000", "S1", "m0", "00")]
        service.crops = [
            crop("crop_1", predicted_class="normal", probability=0.1),
            crop("crop_2", flags=[], predicted_class="aberration", probability=0.9),
        ]
        service.items["job_1"] = [
            {"position": 0, "input_id": "img_0000", "status": "succeeded", "outputs": {"seconds": 2}},
            {
                "position": 1,
                "input_id": "img_0001",
                "status": "failed",
                "error": {"code": "x", "detail": "d"},
            },
        ]
        version = {"kind": "segmenter", "name": "chromosome", "version": 1, "manifest": {}}
        service.first("GET", "/v1/artifacts/segmenter/chromosome/1", Answer(body=version))
        done = Job.model_validate(job("job_1", "partial"))

        result = collect(
            client, done, REPORT, tmp_path, samples=tmp_path, classifier=CLASSIFIER, upload_s=1.0, wait_s=2.0
        )

        (shown,) = result.images
        assert (len(shown.crops), shown.touching, shown.marked, shown.seconds) == (2, 1, 1, 2.0)
        assert ([one.id for one in shown.flagged], shown.highest) == (["crop_2"], 0.9)
        assert shown.preview.read_bytes().startswith(b"\x89PNG")
        assert {path.name for path in (tmp_path / "crops").iterdir()} == {"crop_1.png", "crop_2.png"}
        # Flagged ones are shown channel by channel.
        assert {"crop_2": {"red", "green", "dapi"}} == {
            one: set(files) for one, files in result.channels.items()
        }
        assert [item.input_id for item in result.failed] == ["img_0001"]
