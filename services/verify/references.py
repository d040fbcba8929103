"""Every stored object that a row names, with the rows that need it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine, text

SHOWN_OWNERS: Final = 3
FETCHED_ROWS: Final = 500
_KEY_IN_JSON: Final = (
    'strict $.** ? (@.type() == "string" && @ like_regex "^[a-z]+/[0-9a-f]{2}/[0-9a-f]{64}([.][a-z0-9]+)*$")'
)
_ENDED: Final = "('succeeded', 'partial', 'failed', 'cancelled')"

# Each answers rows of (key, owner). What only one segmentation names is asked for once, through its crops.
_SOURCES: Final = {
    "image": "SELECT source->>'key', id FROM images, jsonb_array_elements(sources) source",
    "corrected masks of image": "SELECT object_key, image_id FROM image_masks",
    "masks of image": "SELECT masks_key, image_id FROM segmentations",
    "crops of image": (
        "SELECT crops_key, image_id FROM segmentations s WHERE NOT EXISTS "
        "(SELECT 1 FROM crops c WHERE c.job_id = s.job_id AND c.image_id = s.image_id)"
    ),
    "crop": "SELECT pack_key, id FROM crops",
    "embeddings of job": "SELECT object_key, job_id FROM embedding_sets",
    "artifact": (
        "SELECT file->>'key', kind || ' ' || name || '/' || version "
        "FROM artifact_versions, jsonb_path_query(files, '$.*') file"
    ),
    "result of job": (
        f"SELECT key #>> '{{}}', id FROM jobs, jsonb_path_query(result, '{_KEY_IN_JSON}') key "  # noqa: S608
    ),
    # What an ended job was given is not read again unless somebody retries it; a rule of the bucket may
    # have removed it.
    "unfinished job": (
        f"SELECT key #>> '{{}}', id FROM jobs, jsonb_path_query(inputs, '{_KEY_IN_JSON}') key "  # noqa: S608
        f"WHERE status NOT IN {_ENDED}"
    ),
}


@dataclass(frozen=True)
class Reference:
    """An object and who needs it.

    Attributes
    ----------
    owner
        What kind of thing names it, for example ``image``.
    examples
        A few of the owners' ids, the first ones.
    """

    key: str
    owner: str
    num_owners: int
    examples: tuple[str, ...]


def references(engine: Engine) -> Iterator[Reference]:
    """Yield every reference, all as they were at one moment; few are in memory at a time."""
    isolated = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    with isolated.connect() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        for owner, source in _SOURCES.items():
            rows = connection.execution_options(stream_results=True, yield_per=FETCHED_ROWS).execute(
                text(_grouped(source).replace(":", "\\:"))
            )
            for key, num_owners, examples in rows:
                yield Reference(key, owner, num_owners, tuple(examples))


def count_references(engine: Engine) -> int:
    """Count them; takes the database as long as finding them."""
    with engine.connect() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        return sum(
            connection.execute(text(f"SELECT count(DISTINCT key) FROM ({source}) t(key, owner)")).scalar_one()  # noqa: S608 - constants
            for source in _SOURCES.values()
        )


def _grouped(source: str) -> str:
    return (
        "SELECT key, count(DISTINCT owner), (array_agg(DISTINCT owner ORDER BY owner))"  # noqa: S608 - constants
        f"[1:{SHOWN_OWNERS}] FROM ({source}) t(key, owner) GROUP BY key"
    )
