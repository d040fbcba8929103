"""The object store: a round trip with an object of our own, and whether it signs and tells the time."""

from __future__ import annotations

import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Final

from services.artifacts.service import ArtifactDamagedError, ArtifactService
from services.artifacts.shipped import ShippedArtifact, read_shipped
from services.artifacts.types import PRODUCTION, ArtifactVersion
from services.db.engine import session_factory
from services.doctor.findings import Finding, fail, ok, skipped, warn
from services.doctor.installation import Installation
from services.errors import KaryobridgeError, NotFoundError
from services.storage.base import ObjectNotFoundError, ObjectStore, SignedRequest
from services.storage.factory import open_store

SIZE_BYTES: Final = 64 * 1024
SLOW_S: Final = 1.0
SIGNED_FOR_S: Final = 60
ANSWER_WITHIN_S: Final = 10
# S3 refuses requests whose clock is further off than 15 minutes.
MOST_SKEW_S: Final = 60.0

_ADVICE: Final = (
    "Check OBJECT_STORE_URL, and for a bucket AWS_ENDPOINT_URL, AWS_REGION, the credentials and their rights "
    "to get, put, delete and list."
)


def check_store(installation: Installation) -> Iterator[Finding]:
    """Write, read, measure, sign and delete one small object."""
    key = f"doctor/{secrets.token_hex(16)}"
    content = secrets.token_bytes(SIZE_BYTES)
    try:
        settings = installation.settings
        store = open_store(settings.store_url, settings.object_store_public_endpoint)
        store.check()
        started = time.perf_counter()
        store.put(key, content)
        written_s = time.perf_counter() - started
        try:
            yield _judge_reading(store, key, content, written_s)
            yield from _judge_signing(store, key, content)
        finally:
            store.delete(key)
        if store.exists(key):
            yield fail(
                "store", "a deleted object is still there", "Give the credentials the right to delete."
            )
    except KaryobridgeError as error:
        yield fail("store", str(error), _ADVICE)


def _judge_reading(store: ObjectStore, key: str, content: bytes, written_s: float) -> Finding:
    started = time.perf_counter()
    whole = store.get(key)
    read_s = time.perf_counter() - started
    part = store.get_range(key, 10, 100)
    if whole != content or part != content[10:110] or store.size(key) != SIZE_BYTES:
        return fail(
            "store", "what is read is not what was written", "Do not use this store: results would be lost."
        )
    seen = f"64 KiB written in {written_s * 1000:.0f} ms, read in {read_s * 1000:.0f} ms"
    if max(written_s, read_s) > SLOW_S:
        return warn(
            "store", seen, "Every image and crop goes through it: bring it nearer, or find out what is slow."
        )
    return ok("store", seen)


def _judge_signing(store: ObjectStore, key: str, content: bytes) -> Iterator[Finding]:
    signed = store.sign(key, "GET", SIGNED_FOR_S)
    if signed is None:
        yield skipped(
            "store links",
            "nothing is signed, so large files go through the API; a bucket signs once "
            "OBJECT_STORE_PUBLIC_ENDPOINT says where clients reach it",
        )
        return
    try:
        answer, date = _fetch(signed)
    except (urllib.error.URLError, OSError, ValueError) as error:
        yield warn(
            "store links",
            f"a signed link does not work from here: {error}",
            "Set OBJECT_STORE_PUBLIC_ENDPOINT to the address under which clients reach the store; if this "
            "machine cannot reach that one, try from a client's.",
        )
        return
    if answer != content:
        yield fail("store links", "a signed link gives something else", _ADVICE)
        return
    yield ok("store links", "signed links work")
    if date is not None:
        skew_s = parsedate_to_datetime(date).timestamp() - time.time()
        if abs(skew_s) > MOST_SKEW_S:
            yield warn("store clock", f"differs by {skew_s:+.0f} s", "Run NTP (chrony) on both machines.")
        else:
            yield ok("store clock", f"differs by less than {MOST_SKEW_S:.0f} s")


def _fetch(signed: SignedRequest) -> tuple[bytes, str | None]:
    request = urllib.request.Request(signed.url, headers=dict(signed.headers))  # noqa: S310 - our store's own
    with urllib.request.urlopen(request, timeout=ANSWER_WITHIN_S) as answer:  # noqa: S310 - as above
        return answer.read(2 * SIZE_BYTES), answer.headers.get("Date")


def check_artifacts(installation: Installation) -> Iterator[Finding]:
    """Look whether what comes with the software is registered, and whether its objects are whole."""
    store = open_store(installation.settings.store_url)
    shipped = read_shipped()
    with installation.engine() as engine, session_factory(engine)() as session:
        service = ArtifactService(session, store)
        faults = [fault for one in shipped if (fault := _fault_of(service, one)) is not None]
    yield from faults
    if not faults:
        names = ", ".join(f"{one.kind} {one.name}" for one in shipped)
        yield ok("artifacts", f"registered and whole: {names}")


def _fault_of(service: ArtifactService, shipped: ShippedArtifact) -> Finding | None:
    name = f"{shipped.kind} {shipped.name}"
    version = service.find(shipped.kind, shipped.name, shipped.manifest, shipped.files)
    if version is None:
        return fail("artifacts", f"{name} is not registered", "Run `python -m services.bootstrap`.")
    damage = _damage(service, version)
    if damage:
        return fail(
            "artifacts",
            f"{name}: {damage}",
            "Restore the object from the backup; the file that it holds also lies in models/weights.",
        )
    try:
        service.resolve(shipped.kind, f"{shipped.name}/{PRODUCTION}")
    except NotFoundError:
        return warn(
            "artifacts",
            f"{name} has no version called {PRODUCTION}",
            f"PUT /v1/artifacts/{shipped.kind}/{shipped.name}/aliases/{PRODUCTION} with the version to use.",
        )
    return None


def _damage(service: ArtifactService, version: ArtifactVersion) -> str:
    for filename, file in version.files.items():
        try:
            service.open_file(version, filename)
        except (ObjectNotFoundError, ArtifactDamagedError):
            return f"{filename} is missing or damaged (object {file.key}, SHA-256 {file.sha256})"
    return ""
