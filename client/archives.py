"""An artifact's ZIP, put together here from files that the object store gives."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from client.direct import linked
from client.downloads import whole_file
from client.records import Link
from client.transport import Transport

# Every entry has this date, as in the service's own archive: the same version is the same bytes.
_DATE = (1980, 1, 1, 0, 0, 0)


def save_archive(transport: Transport, manifest: Mapping[str, Any], links: Sequence[Link], to: Path) -> Path:
    """Write what ``…/content`` of the service would be, byte for byte.

    Raises
    ------
    LocalFileError
        The file cannot be written.
    ConnectionFailedError, UnexpectedAnswerError
        The store is not to be reached, or gives something else.
    """
    with whole_file(to) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        text = json.dumps(dict(manifest), indent=2, sort_keys=True)
        archive.writestr(zipfile.ZipInfo("manifest.json", date_time=_DATE), text)
        for link in sorted(links, key=lambda link: link.filename):
            entry = zipfile.ZipInfo(link.filename, date_time=_DATE)
            entry.file_size = link.size_bytes
            with linked(transport, link) as pieces, archive.open(entry, "w") as target:
                for piece in pieces:
                    target.write(piece)
    return to
