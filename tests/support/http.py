"""A real application on real engines, for tests that speak HTTP to it."""

from __future__ import annotations

import io
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import pytest
import tifffile
import uvicorn
from fastapi import FastAPI

from api.app import create_app
from api.wiring import Wiring, wire
from services.auth import ApiKeyService
from services.config import Settings
from services.ids import new_id
from tests.support import servers


@pytest.fixture(scope="session")
def http_broker_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a broker that no worker listens to."""
    with servers.broker(tmp_path_factory.mktemp("broker")) as url:
        yield url


@pytest.fixture(scope="session")
def http_settings(
    database_url: str, http_broker_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    """Settings of an application that needs no key."""
    settings = Settings(
        _env_file=None,
        database_url=database_url,
        broker_url=http_broker_url,
        object_store_url=servers.store_url(tmp_path_factory.mktemp("objects")),
        gpu_queue=new_id("gpu"),
        cpu_queue=new_id("cpu"),
        # Jobs that other tests left waiting must not displace one that a test runs itself.
        min_turn_s=86_400,
        max_files_per_batch=20,
        max_upload_bytes=4 * 1024**2,
        max_file_bytes=2 * 1024**2,
    )
    yield settings
    servers.empty(settings)


@pytest.fixture(scope="session")
def wiring(http_settings: Settings) -> Iterator[Wiring]:
    """Everything that the application stands on."""
    wired = wire(http_settings)
    yield wired
    wired.close()


@contextmanager
def serving(served: Wiring | FastAPI, **options: Any) -> Iterator[str]:
    """Serve an application with uvicorn on a free port of this computer; yields its address."""
    app = served if isinstance(served, FastAPI) else create_app(served)
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=2, **options)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), name="api")
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def address(wiring: Wiring) -> Iterator[str]:
    """Address of a running server that needs no key."""
    with serving(wiring) as url:
        yield url


@pytest.fixture
def client(address: str) -> Iterator[httpx.Client]:
    """A client of the running server."""
    with httpx.Client(base_url=address, timeout=30) as opened:
        yield opened


@dataclass(frozen=True)
class Guarded:
    """A running server that needs a key, and one that may do everything."""

    address: str
    admin_key: str

    def client(self, key: str | None = None) -> httpx.Client:
        """Open a client with the administrator's key or another."""
        headers = {"Authorization": f"Bearer {self.admin_key if key is None else key}"}
        return httpx.Client(base_url=self.address, headers=headers, timeout=30)


@pytest.fixture(scope="module")
def guarded(http_settings: Settings) -> Iterator[Guarded]:
    """A server on the same engines that wants keys."""
    wired = wire(http_settings.model_copy(update={"require_api_key": True}))
    with wired.sessions.begin() as session:
        issued = ApiKeyService(session).create(f"admin {uuid.uuid4()}", ["admin"])
    with serving(wired) as url:
        yield Guarded(url, issued.key)


def tiff_bytes(seed: int = 0, shape: tuple[int, ...] = (32, 40), dtype: str = "uint8") -> bytes:
    """Return a grey TIFF with noise in it."""
    pixels = np.random.default_rng(seed).integers(0, 200, shape).astype(dtype)
    stream = io.BytesIO()
    tifffile.imwrite(stream, pixels, photometric="minisblack")
    return stream.getvalue()


def upload(client: httpx.Client, sample: str, *, seed: int = 0, **fields: str) -> dict[str, Any]:
    """Upload one DAPI image and return the batch."""
    answer = client.post(
        "/v1/batches",
        data={"sample": sample, "channels": '{"dapi": 0}', **fields},
        files=[("files", ("metaphase.tif", tiff_bytes(seed)))],
    )

    assert answer.status_code == 201, answer.text
    batch: dict[str, Any] = answer.json()
    return batch
