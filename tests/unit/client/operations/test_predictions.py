from __future__ import annotations

from pathlib import Path

import pytest

from client.errors import ConnectionFailedError, InvalidArgumentError, ProblemError, UnexpectedAnswerError
from client.http import Client
from tests.fakes.tiny_service import Answer, TinyService, problem

PATH = "/v1/jobs/job_1/predictions.csv"
HEAD = (
    "crop_id,origin,image_id,sample,slide,filename,label,area_px,flags,classifier,predicted_class,"
    "probability,annotated_class,at\r\n"
)
ROW = "crop_{n},segmented,img_0,S1,,m.tif,7,640,touching,c/1,aberration,0.{n},,2026-11-02T08:00:00Z\r\n"


class TestPredictions:
    def test_reads_a_row_per_crop(self, client: Client, service: TinyService) -> None:
        """Numbers are numbers, and an empty cell is nothing."""
        service.first("GET", PATH, Answer(body=(HEAD + ROW.format(n=5) + ROW.format(n=9)).encode()))

        first, second = client.predictions("job_1")

        assert (first.crop_id, first.probability, first.label, first.slide) == ("crop_5", 0.5, 7, None)
        assert (second.probability, second.annotated_class) == (0.9, None)

    def test_says_why_there_is_no_table(self, client: Client, service: TinyService) -> None:
        """The service's word: the job runs, or is of another kind."""
        service.first("GET", PATH, problem(409, "conflict", "Job job_1 is running."))

        with pytest.raises(ProblemError, match="is running"):
            list(client.predictions("job_1"))

    def test_half_a_table_is_no_table(self, client: Client, service: TinyService) -> None:
        """A connection that breaks is an error, not an end."""
        service.first("GET", PATH, Answer(body=(HEAD + ROW.format(n=5)).encode(), drop=len(HEAD) + 20))

        with pytest.raises(ConnectionFailedError):
            list(client.predictions("job_1"))

    def test_names_a_column_that_is_missing(self, client: Client, service: TinyService) -> None:
        """An answer that breaks the contract is not half used."""
        service.first("GET", PATH, Answer(body=b"crop_id\r\ncrop_1\r\n"))

        with pytest.raises(UnexpectedAnswerError, match="PredictedCrop: classifier"):
            list(client.predictions("job_1"))


class TestDownloadPredictions:
    @pytest.mark.parametrize(
        ("name", "path"), [("p.csv", "predictions.csv"), ("p.Parquet", "predictions.parquet")]
    )
    def test_the_suffix_chooses_the_table(
        self, client: Client, service: TinyService, tmp_path: Path, name: str, path: str
    ) -> None:
        """CSV for spreadsheets, Parquet for data frames."""
        service.first("GET", f"/v1/jobs/job_1/{path}", Answer(body=b"table"))

        written = client.download_predictions("job_1", tmp_path / name)

        assert (written.read_bytes(), service.requests[0].query) == (b"table", {})

    def test_adds_embeddings_on_request(self, client: Client, service: TinyService, tmp_path: Path) -> None:
        """A column that only Parquet has a place for."""
        service.first("GET", "/v1/jobs/job_1/predictions.parquet", Answer(body=b"table"))

        client.download_predictions("job_1", tmp_path / "p.parquet", embeddings=True)

        assert service.requests[0].query == {"embeddings": "true"}

    @pytest.mark.parametrize(("name", "embeddings"), [("p.xlsx", False), ("p.csv", True)])
    def test_refuses_what_there_is_not(
        self,
        client: Client,
        service: TinyService,
        tmp_path: Path,
        name: str,
        embeddings: bool,  # noqa: FBT001 - a parameter of the test
    ) -> None:
        """Nothing is asked for and nothing written."""
        with pytest.raises(InvalidArgumentError, match="parquet"):
            client.download_predictions("job_1", tmp_path / name, embeddings=embeddings)

        assert service.requests == []


class TestEmbedding:
    def test_asks_for_one_classifier(self, client: Client, service: TinyService) -> None:
        """Its numbers come back as they are."""
        body = {"classifier": "c/2", "job_id": "job_1", "embedding": [0.5, -1.25]}
        service.first("GET", "/v1/crops/crop_1/embedding", Answer(body=body))

        found = client.embedding("crop_1", classifier="c/production")

        assert (found.classifier, found.embedding) == ("c/2", (0.5, -1.25))
        assert service.requests[0].query == {"classifier": "c/production"}


class TestSimilar:
    def test_keeps_the_order(self, client: Client, service: TinyService) -> None:
        """The nearest comes first, as the service says; filters travel."""
        items = [{"crop_id": f"crop_{n}", "distance": float(n), "class": "normal"} for n in range(2)]
        service.first("GET", "/v1/crops/crop_9/similar", Answer(body={"items": items}))

        found = client.similar("crop_9", 2, sample="S1")

        assert [(one.crop_id, one.crop_class) for one in found] == [
            ("crop_0", "normal"),
            ("crop_1", "normal"),
        ]
        assert service.requests[0].query == {"k": "2", "sample": "S1"}
