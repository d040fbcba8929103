"""Instance masks that a person drew or corrected: kept with their history, used for training."""

from __future__ import annotations

import numpy as np
from sqlalchemy.orm import Session

from services.db.engine import SessionFactory
from services.errors import NotFoundError
from services.images.mask_exports import read_masks
from services.images.repository import AnnotatedMasks, ImageRepository
from services.storage.base import ObjectStore
from services.storage.keys import content_key, sha256_hex


class AnnotationService:
    """Takes label images in and gives the newest back."""

    def __init__(self, session_factory: SessionFactory, store: ObjectStore) -> None:
        self._session_factory = session_factory
        self._store = store

    def put_masks(
        self, image_id: str, content: bytes, annotator: str, *, session: Session | None = None
    ) -> AnnotatedMasks:
        """Store a label TIFF for an image: page 0 labels, page 1 (optional) overlap regions.

        Parameters
        ----------
        session
            Joins the caller's transaction.

        Raises
        ------
        NotFoundError
            There is no such image.
        InvalidMasksError
            The bytes are no label image of the image's size.
        """
        if session is None:
            with self._session_factory.begin() as own:
                return self.put_masks(image_id, content, annotator, session=own)
        # Read by itself: no transaction waits while the masks are looked at and stored.
        with self._session_factory() as reading:
            image = ImageRepository(reading).get(image_id)
        masks, _ = read_masks(content, (image.height, image.width))
        sha256 = sha256_hex(content)
        key = content_key("masks", sha256, ".tif")
        if not self._store.exists(key):
            self._store.put(key, content)
        num_instances = int(np.count_nonzero(np.unique(masks)))
        repository = ImageRepository(session)
        repository.add_masks(image_id, key, sha256, annotator, num_instances)
        return repository.newest_masks([image_id])[image_id]

    def get_masks(self, image_id: str) -> bytes:
        """The newest annotated masks' bytes; raises `NotFoundError` if nobody drew any."""
        with self._session_factory() as session:
            repository = ImageRepository(session)
            repository.get(image_id)
            newest = repository.newest_masks([image_id]).get(image_id)
        if newest is None:
            raise NotFoundError("annotated masks of image", image_id)
        return self._store.get(newest.object_key)
