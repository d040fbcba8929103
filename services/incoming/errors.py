"""Why a promised file cannot be taken."""

from __future__ import annotations

from services.errors import ConflictError
from services.images.errors import UploadRejectedError


class UploadIncompleteError(UploadRejectedError):
    """The file's bytes are not there, or not as many as were promised; they may still come."""

    code = "upload_incomplete"
    title = "The file was not sent whole"


class UploadUsedError(ConflictError):
    """A batch, data set or artifact has taken the file already."""

    code = "upload_used"
    title = "The upload was used before"


class UploadExpiredError(ConflictError):
    """Nobody took the file in time."""

    code = "upload_expired"
    title = "The upload has expired"
