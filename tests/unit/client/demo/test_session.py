from __future__ import annotations

from pathlib import Path

import pytest

from client.demo.session import NothingSegmentedError, collect, segment, upload_samples
from client.errors import LocalFileError
from client.http import Client
from client.records import BatchItem, Job
from client.uploading import UploadReport
from tests.fakes.tiny_service import Answer, TinyService, crop, image, job

REPORT = UploadReport(items=(BatchItem(filename="a", status="stored", image_id="img_0000"),))


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


class TestSegment:
    def test_says_why_the_job_failed(self, client: Client, service: TinyService) -> None:
        """Code and detail of the job's problem."""
        error = {"code": "segmenter_missing", "title": "T", "detail": "No weights."}
        service.jobs["job_new"] = [job("job_new", "failed", error=error)]

        with pytest.raises(NothingSegmentedError, match=r"No weights\. \[segmenter_missing\]"):
            segment(client, REPORT, lambda _: None)

    def test_leaves_no_job_behind_when_interrupted(self, client: Client, service: TinyService) -> None:
        """The next demonstration does not have to finish this one's work."""
        service.jobs["job_new"] = [job("job_new", "running")]

        def interrupt(_: Job) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            segment(client, REPORT, interrupt)

        assert len(service.seen("POST", "/v1/jobs/job_new/cancel")) == 1


class TestCollect:
    def test_gathers_what_the_page_shows(self, client: Client, service: TinyService, tmp_path: Path) -> None:
        """Pictures, crops and facts of the images that came through; old pictures are gone."""
        (tmp_path / "crops").mkdir()
        (tmp_path / "crops" / "old.png").touch()
        service.images = [image("img_0000", "S1", "m0", "00")]
        service.crops = [crop("crop_1"), crop("crop_2", flags=[])]
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

        result = collect(client, done, REPORT, tmp_path, reference=tmp_path, upload_s=1.0, wait_s=2.0)

        (shown,) = result.images
        assert (len(shown.crops), shown.touching, shown.flagged, shown.seconds) == (2, 1, 1, 2.0)
        assert shown.preview.read_bytes().startswith(b"\x89PNG")
        assert {path.name for path in (tmp_path / "crops").iterdir()} == {"crop_1.png", "crop_2.png"}
        assert [item.input_id for item in result.failed] == ["img_0001"]
