"""A small service on a real socket: enough of the contract to test the client's side of it.

Answers can be scripted to fail first, or the connection to break, as real ones do.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from PIL import Image as Picture


@dataclass(frozen=True)
class Request:
    """What arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def form(self) -> list[tuple[str, str | None, bytes]]:
        """Parts of a multipart body: field, file name, content."""
        head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode()
        message = BytesParser().parsebytes(head + self.body)
        return [
            (
                str(part.get_param("name", header="content-disposition")),
                part.get_filename(),
                part.get_payload(decode=True),
            )
            for part in message.get_payload()
        ]


@dataclass
class Answer:
    """What is sent back; `drop` closes the connection after so many bytes of the body instead."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    drop: int | None = None

    def raw(self) -> bytes:
        """The body's bytes."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass
class TinyService:
    """State and behaviour; `script` holds answers that are given before the usual ones."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    script: dict[tuple[str, str], list[Answer]] = field(default_factory=dict)
    images: list[dict[str, Any]] = field(default_factory=list)
    jobs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    crops: list[dict[str, Any]] = field(default_factory=list)
    items: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    events: bool = True
    page_size: int = 2
    lock: threading.Lock = field(default_factory=threading.Lock)

    def first(self, method: str, path: str, *answers: Answer) -> None:
        """Answer the next requests of this path so."""
        self.script.setdefault((method, path), []).extend(answers)

    def seen(self, method: str, path: str) -> list[Request]:
        """Requests that arrived for a path."""
        return [request for request in self.requests if (request.method, request.path) == (method, path)]

    def answer(self, request: Request) -> Answer:
        """Answer one request."""
        with self.lock:
            self.requests.append(request)
            scripted = self.script.get((request.method, request.path))
            if scripted:
                return scripted.pop(0)
            parts = request.path.strip("/").split("/")
            handler: Callable[..., Answer] | None = getattr(
                self, f"{request.method.lower()}_{'_'.join(parts[:2])}", None
            )
            return handler(request, parts[2:]) if handler else problem(404, "not_found")

    def get_readyz(self, _request: Request, _rest: list[str]) -> Answer:
        """Everything is there."""
        return Answer(body={"ready": True, "parts": [{"name": "database", "ok": True, "detail": ""}]})

    def post_v1_batches(self, request: Request, _rest: list[str]) -> Answer:
        """Store the files of a form."""
        parts = request.form()
        fields = {name: content.decode() for name, filename, content in parts if filename is None}
        batch_id = f"batch_{len(self.seen('POST', '/v1/batches')):04d}"
        items = [self._store(fields, filename, content) for _, filename, content in parts if filename]
        job_id = None
        if fields["process"] == "segmentation":
            job_id = f"job_{batch_id}"
            self.jobs[job_id] = [job(job_id, "succeeded", done=1)]
        return Answer(201, {"id": batch_id, "sample": fields["sample"], "items": items, "job_id": job_id})

    def get_v1_images(self, request: Request, rest: list[str]) -> Answer:
        """List or show images, or give bytes."""
        if rest:
            if len(rest) > 1:
                return Answer(body=png(30, 20) if rest[1].endswith(".png") else b"II*\0")
            found = [image for image in self.images if image["id"] == rest[0]]
            return Answer(body=found[0]) if found else problem(404, "not_found")
        wanted = request.query.get("sample")
        return self.page(request, [i for i in self.images if wanted in {None, i["sample"]}])

    def post_v1_jobs(self, request: Request, rest: list[str]) -> Answer:
        """Submit, cancel or retry."""
        if rest:
            return Answer(202, self.jobs[rest[0]][0])
        body = json.loads(request.body)
        return Answer(202, job("job_new", "queued") | {"kind": body["kind"], "params": body})

    def get_v1_jobs(self, request: Request, rest: list[str]) -> Answer:
        """List or show jobs, their items and events."""
        if not rest:
            return self.page(request, [states[0] for states in self.jobs.values()])
        if rest[1:] == ["items"]:
            return self.page(request, self.items.get(rest[0], []))
        states = self.jobs.get(rest[0])
        if states is None:
            return problem(404, "not_found")
        if rest[1:] == ["events"]:
            return self.stream(states) if self.events else problem(404, "not_found")
        return Answer(body=states.pop(0) if len(states) > 1 else states[0])

    def get_v1_crops(self, request: Request, rest: list[str]) -> Answer:
        """List crops, or draw one."""
        if rest[1:] == ["image.png"]:
            return Answer(body=png(24, 60))
        return self.page(request, self.crops)

    def page(self, request: Request, rows: list[dict[str, Any]]) -> Answer:
        """A page of a list; small, so that cursors are used."""
        start = int(request.query.get("cursor", "0"))
        end = start + self.page_size
        return Answer(body={"items": rows[start:end], "next_cursor": str(end) if end < len(rows) else None})

    def _store(self, fields: dict[str, str], filename: str, content: bytes) -> dict[str, Any]:
        if content.startswith(b"bad"):
            error = {"code": "truncated_file", "title": "Cut", "detail": f"{filename} is cut short."}
            return {"filename": filename, "status": "rejected", "image_id": None, "error": error}
        sha256 = hashlib.sha256(content).hexdigest()
        known = [i for i in self.images if i["sha256"] == sha256 and i["sample"] == fields["sample"]]
        row = known[0] if known else image(f"img_{len(self.images):04d}", fields["sample"], filename, sha256)
        if not known:
            self.images.append(row)
        status = "duplicate" if known else "stored"
        return {"filename": filename, "status": status, "image_id": row["id"], "error": None}

    @staticmethod
    def stream(states: list[dict[str, Any]]) -> Answer:
        """Make an event stream of these states."""
        text = "".join(f"event: progress\r\ndata: {json.dumps(state)}\r\n\r\n" for state in states)
        return Answer(body=f": ping\r\n\r\n{text}".encode(), headers={"Content-Type": "text/event-stream"})


def problem(status: int, code: str, detail: str = "No.", **members: Any) -> Answer:
    """A problem+json answer."""
    body = {"type": "about:blank", "title": "T", "status": status, "detail": detail, "code": code, **members}
    return Answer(status, body, {"Content-Type": "application/problem+json"})


def job(job_id: str, status: str, done: int = 0, **members: Any) -> dict[str, Any]:
    """A job as the contract shows it."""
    return {
        "id": job_id,
        "kind": "segmentation",
        "status": status,
        "params": {},
        "inputs": {},
        "artifacts": {"segmenter": "chromosome/1"},
        "progress": {"done": done, "total": 4, "unit": "images", "message": ""},
        "queue_position": None,
        "attempt": 1,
        "error": None,
        "result": {},
        "created_at": "2026-11-02T08:00:00Z",
        "started_at": "2026-11-02T08:00:01Z",
        "finished_at": "2026-11-02T08:00:03Z",
        "external_id": None,
        **members,
    }


def image(image_id: str, sample: str, filename: str, sha256: str) -> dict[str, Any]:
    """An image as the contract shows it, with one member that this client does not know."""
    return {
        "id": image_id,
        "sample": sample,
        "slide": None,
        "filename": filename,
        "sha256": sha256,
        "height": 100,
        "width": 200,
        "channels": ["dapi"],
        "bit_depth": 8,
        "pixel_size_um": None,
        "files": [{"filename": filename, "sha256": sha256, "size_bytes": 3}],
        "created_at": "2026-11-02T08:00:00Z",
        "from_the_future": True,
    }


def crop(crop_id: str, image_id: str = "img_0000", **members: Any) -> dict[str, Any]:
    """A crop as the contract shows it."""
    return {
        "id": crop_id,
        "origin": "segmented",
        "image_id": image_id,
        "sample": "S1",
        "job_id": "job_1",
        "source_crop_id": None,
        "label": 7,
        "bbox": [10, 20, 70, 44],
        "area_px": 640,
        "orientation_deg": 80.0,
        "length_px": 50.0,
        "width_px": 14.0,
        "flags": ["touching"],
        "class": None,
        "annotations": [],
        "predictions": [],
        "filter_scores": [],
        **members,
    }


def png(width: int, height: int) -> bytes:
    """A small real PNG."""
    stream = BytesIO()
    Picture.new("RGB", (width, height), (20, 40, 200)).save(stream, "PNG")
    return stream.getvalue()


def _handler(service: TinyService) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length", "0"))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = service.answer(
                Request(
                    self.command, parts.path, dict(parse_qsl(parts.query)), headers, self.rfile.read(length)
                )
            )
            content = answer.raw()
            if answer.drop == 0:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content if answer.drop is None else content[: answer.drop])
            self.close_connection = self.close_connection or answer.drop is not None

        do_GET = do_POST = do_PUT = do_DELETE = handle_one  # noqa: N815 - http.server looks for these names

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            """Say nothing."""

    return Handler


@contextmanager
def running() -> Iterator[TinyService]:
    """Run a service on a free port for a while."""
    state = TinyService()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(state))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
