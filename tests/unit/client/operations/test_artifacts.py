from __future__ import annotations

from pathlib import Path

from client.http import Client
from tests.fakes.tiny_service import Answer, TinyService, job


class TestUploadArtifact:
    def test_tells_what_no_file_of_a_generator_tells(
        self, client: Client, service: TinyService, tmp_path: Path
    ) -> None:
        """Size and scale of the training pictures travel with the weights; what is not given does not."""
        (tmp_path / "bridge.pth").write_bytes(b"weights")
        service.first("POST", "/v1/artifacts/generator", Answer(202, job("job_9", "queued")))

        client.upload_artifact(
            "generator", "ours", tmp_path / "bridge.pth", method="bbdm", canvas_px=64, scale=1.6
        )

        told = {name: content for name, _, content in service.requests[0].form()}
        assert {
            "name": b"ours",
            "method": b"bbdm",
            "canvas_px": b"64",
            "scale": b"1.6",
            "file": b"weights",
        } == told
