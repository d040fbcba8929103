"""Backup and restore as docs/operations/backup.md says: the database while jobs run, then the objects."""

from __future__ import annotations

import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import make_url

from api.wiring import Wiring
from services.artifacts.service import ArtifactService
from services.db.engine import SessionFactory, make_engine, session_factory
from services.embedded.postgres import EmbeddedPostgres
from services.images.repository import ImageRepository, load_stack
from services.storage.factory import open_store
from tests.support import servers
from tests.support.classifiers import add_classifier
from tests.support.datasets import new_name
from tests.support.fleet import ROOT, Fleet, fleet_of, hasty_fleet, wiring_of
from tests.support.http import serving
from tests.support.segmented import Segmented, segment

pytestmark = pytest.mark.integration


@pytest.fixture
def fleet(database_url: str, sessions: SessionFactory, tmp_path: Path) -> Iterator[Fleet]:
    """The installation that is saved."""
    with hasty_fleet(database_url, sessions, tmp_path) as fleet:
        yield fleet


@pytest.fixture
def wiring(fleet: Fleet) -> Iterator[Wiring]:
    """The API's side of it."""
    with wiring_of(fleet) as wiring:
        yield wiring


@pytest.fixture
def client(wiring: Wiring) -> Iterator[httpx.Client]:
    """A client of that installation."""
    with serving(wiring) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def saved(wiring: Wiring, client: httpx.Client) -> Segmented:
    """Store an image with crops, whose bytes are all its own."""
    return segment(wiring, client, f"S-{uuid.uuid4().hex}", seed=uuid.uuid4().int % 2**31)


def dump(fleet: Fleet, file: Path) -> None:
    """Save the database."""
    _run_tool("pg_dump", "--format=custom", f"--file={file}", _libpq(fleet.settings.database_url))


def copy_objects(fleet: Fleet, url: str) -> None:
    """Copy the store, as `rclone copy` would."""
    source, target = open_store(fleet.settings.object_store_url), open_store(url)
    for key in servers.stored(fleet.settings.object_store_url):
        target.put(key, source.get(key))


@contextmanager
def restored(fleet: Fleet, file: Path, objects_url: str, folder: Path) -> Iterator[Fleet]:
    """An installation on an empty database that got the dump, and on a copy of the objects."""
    with servers.own_database(fleet.settings.database_url.get_secret_value()) as url:
        _run_tool(
            "pg_restore", "--exit-on-error", "--no-owner", f"--dbname={_libpq(SecretStr(url))}", str(file)
        )
        engine = make_engine(url)
        changes = {"database_url": SecretStr(url), "object_store_url": objects_url}
        folder.mkdir()
        with fleet_of(fleet.settings.model_copy(update=changes), session_factory(engine), folder) as other:
            yield other
        engine.dispose()


def verify(fleet: Fleet) -> subprocess.CompletedProcess[str]:
    """Ask whether the store holds everything that the database names."""
    return subprocess.run(
        [sys.executable, "-m", "services.verify", "--contents"],
        cwd=ROOT,
        env=fleet.environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def _run_tool(name: str, *arguments: str) -> None:
    finished = subprocess.run([_tool(name), *arguments], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr


def _tool(name: str) -> str:
    """Find a tool of the server's own version: a newer one sets what an older server does not know."""
    if not servers.DATABASE_URL:
        return str(EmbeddedPostgres(Path())._binaries() / name)
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} on the path, for the server of TEST_DATABASE_URL.")
    return found


def _libpq(url: SecretStr) -> str:
    return make_url(url.get_secret_value()).set(drivername="postgresql").render_as_string(hide_password=False)


class TestBackup:
    def test_of_a_working_service_is_complete(
        self, fleet: Fleet, wiring: Wiring, client: httpx.Client, tmp_path: Path
    ) -> None:
        """A dump in mid-job and a later copy of the objects give an installation that goes on."""
        image = saved(wiring, client)
        ref = add_classifier(wiring, new_name())
        worker = fleet.worker()
        job = fleet.submit(items=40, seconds_per_item=0.1)
        fleet.wait_done(job, 2)
        dump(fleet, tmp_path / "dump")
        saved(wiring, client)  # what arrives between the two steps is superfluous, and nothing else
        copy_objects(fleet, servers.store_url(tmp_path / "copy"))
        worker.kill()

        with restored(
            fleet, tmp_path / "dump", servers.store_url(tmp_path / "copy"), tmp_path / "new"
        ) as new:
            told = verify(new)
            new.worker()
            new.sweeper()
            ended = new.wait(job, "succeeded", "failed", "partial")
            attempts = [item.outputs.get("attempt") for item in new.items(job)]
            with wiring_of(new) as other, other.sessions() as session:
                pixels = load_stack(other.store, ImageRepository(session).get(image.image_id)).pixels
                artifacts = ArtifactService(session, other.store)
                weights = artifacts.open_file(
                    artifacts.get("classifier", *ref.split("/")), "weights.safetensors"
                )

        assert (0, "") == (told.returncode, told.stderr), told.stdout
        assert ("succeeded", 2, 40) == (ended.status, ended.attempt, ended.progress.done)
        assert [1, 1] == attempts[:2]
        assert (2, 40) == (attempts[-1], len(attempts))
        assert pixels.any()
        assert weights

    def test_with_the_objects_first_would_lack_some(
        self, fleet: Fleet, wiring: Wiring, client: httpx.Client, tmp_path: Path
    ) -> None:
        """What arrives after the objects were copied and before the dump is named, but not there."""
        saved(wiring, client)
        copy_objects(fleet, servers.store_url(tmp_path / "copy"))
        late = saved(wiring, client)
        dump(fleet, tmp_path / "dump")

        with restored(
            fleet, tmp_path / "dump", servers.store_url(tmp_path / "copy"), tmp_path / "new"
        ) as new:
            told = verify(new)

        missing = [line.split() for line in told.stdout.splitlines() if line.startswith("missing")]
        assert 1 == told.returncode
        # Its masks are those of the other image, and an object is stored once.
        assert {"image", "crop"} == {owner for _, _, owner, *_ in missing}
        assert late.image_id in told.stdout
