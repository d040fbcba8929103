"""What goes wrong when a network generates."""

from __future__ import annotations

from typing import ClassVar


class GenerationError(ValueError):
    """The network gave something that is no picture, or was given pictures of another size."""

    code: ClassVar[str] = "generation_failed"
    title: ClassVar[str] = "Generation failed"
