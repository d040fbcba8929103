"""What a crop costs: rows and bytes in the database with all indexes, and bytes in the object store.

    python -m benchmarks.footprint

Uploads and scores the bundled metaphases. Tables so small are mostly empty pages: to weigh a row, those that
the scoring made are copied under other ids until there are many, and the table's size, indexes and all, is
divided by their number.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from benchmarks.load.installation import ROOT, Installation, installed, wait_until
from services.jobs.types import TERMINAL_STATUSES

WITHIN_S: Final = 600.0
CHANNELS: Final = '{"dapi": "*_dapi.tif", "red": "*_red.tif", "green": "*_green.tif"}'
TABLES: Final = (
    "batches",
    "images",
    "jobs",
    "job_items",
    "segmentations",
    "crops",
    "predictions",
    "embedding_sets",
)
# How the rows of a table become others of the same size: columns, with what replaces them.
COPIES: Final = {
    "images": {
        "id": "substr(id, 1, 24) || lpad(k::text, 6, '0')",
        "identity_sha256": "md5(id || k) || md5(id)",
    },
    "job_items": {"position": "position + 1000 * k"},
    "segmentations": {"image_id": "substr(image_id, 1, 24) || lpad(k::text, 6, '0')"},
    "crops": {"id": "substr(id, 1, 25) || lpad(k::text, 6, '0')", "label": "label + 1000 * k"},
    "predictions": {"crop_id": "substr(crop_id, 1, 25) || lpad(k::text, 6, '0')"},
}


@dataclass
class Room:
    """Objects below one folder of the store."""

    number: int = 0
    size_bytes: int = 0


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--copies", type=int, default=500, help="of every row, to weigh them")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    told = json.dumps(measure(options.copies), indent=2)
    print(told)
    if options.out is not None:
        options.out.write_text(told + "\n", encoding="utf-8")


def measure(copies: int) -> dict[str, Any]:
    """Score the bundled metaphases, count rows and objects, and weigh rows."""
    with installed() as installation:
        _score(installation)
        with installation.sessions.begin() as session:
            rows = {table: _rows(session, table) for table in TABLES}
        crops, images = rows["crops"], rows["images"]
        objects = _objects(installation.settings.data_dir / "objects")
        row_bytes = _weigh(installation, copies)
    per_crop = {table: row_bytes[table] * rows[table] / crops for table in row_bytes}
    return {
        "images": images,
        "crops": crops,
        "rows": rows,
        "rows_per_crop": round(sum(rows[table] for table in TABLES) / crops, 3),
        "row_bytes_with_indexes": {table: round(size) for table, size in row_bytes.items()},
        "database_bytes_per_crop": round(sum(per_crop.values())),
        "object_bytes_per_crop": {room: round(one.size_bytes / crops) for room, one in objects.items()},
        "per_metaphase": {
            "rows": round(sum(rows.values()) / images, 2),
            "row_bytes": round(sum(per_crop.values()) * crops / images),
            "objects": round(sum(one.number for one in objects.values()) / images, 2),
            "object_bytes": round(sum(one.size_bytes for one in objects.values()) / images),
        },
    }


def _score(installation: Installation) -> None:
    installation.worker()
    paths = sorted((ROOT / "samples").glob("*.tif"))
    files = [("files", (path.name, path.read_bytes(), "image/tiff")) for path in paths]
    with installation.client() as client:
        form = {"sample": "S-1", "channels": CHANNELS, "process": "scoring"}
        answer = client.post("/v1/batches", data=form, files=files)
        answer.raise_for_status()
        job_id = answer.json()["job_id"]
    wait_until(
        lambda: installation.jobs.get(job_id).status in TERMINAL_STATUSES, WITHIN_S, f"job {job_id} has ended"
    )
    if (status := installation.jobs.get(job_id).status) != "succeeded":
        raise SystemExit(f"The scoring ended as {status}.")


def _objects(folder: Path) -> dict[str, Room]:
    """Count what lies below each folder of the store; shipped networks belong to nobody's crops."""
    rooms: dict[str, Room] = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).parts[0]
        if path.is_file() and name not in ("artifacts", "health"):
            room = rooms.setdefault(name, Room())
            room.number += 1
            room.size_bytes += path.stat().st_size
    return rooms


def _weigh(installation: Installation, copies: int) -> dict[str, float]:
    with installation.sessions.begin() as session:
        session.execute(text("SET LOCAL statement_timeout = 0"))
        for table, changed in COPIES.items():
            _copy(session, table, changed, copies)
    engine = installation.sessions.kw["bind"]
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("VACUUM ANALYZE"))
    with installation.sessions() as session:
        return {table: _bytes(session, table) / _rows(session, table) for table in COPIES}


def _copy(session: Session, table: str, changed: dict[str, str], copies: int) -> None:
    query = "SELECT column_name FROM information_schema.columns WHERE table_name = :table"
    columns = [str(name) for name in session.scalars(text(query), {"table": table})]
    names = ", ".join(f'"{name}"' for name in columns)
    values = ", ".join(changed.get(name, f't."{name}"') for name in columns)
    session.execute(
        text(f"INSERT INTO {table} ({names}) SELECT {values} FROM {table} t, generate_series(1, :n) k"),  # noqa: S608 - the names above
        {"n": copies},
    )


def _rows(session: Session, table: str) -> int:
    return session.scalar(text(f"SELECT count(*) FROM {table}")) or 0  # noqa: S608 - one of the names above


def _bytes(session: Session, table: str) -> int:
    return session.scalar(text("SELECT pg_total_relation_size(:table)"), {"table": table}) or 0


if __name__ == "__main__":
    main()
