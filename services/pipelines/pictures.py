"""Pictures that go into artifacts."""

from __future__ import annotations

import io
from collections.abc import Sequence

from matplotlib.figure import Figure


def curve_png(name: str, values: Sequence[float]) -> bytes:
    """Draw a quantity over the epochs, counted from 1; log scale, since losses fall by factors."""
    figure = Figure(figsize=(6.0, 3.5), dpi=120, layout="constrained")
    axes = figure.subplots()
    axes.plot(range(1, len(values) + 1), values, color="#2b5fa8", linewidth=1.5)
    axes.set_xlabel("epoch")
    axes.set_ylabel(name)
    if min(values, default=0.0) > 0:
        axes.set_yscale("log")
    axes.grid(visible=True, alpha=0.25)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()
