"""Where instances end and which of them are neighbours: pixel geometry that drawings share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NEIGHBOUR_REACH_PX = (1, 4, 9)


def inner_boundaries(masks: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
    """Pixels of an instance that touch something else along an edge.

    Parameters
    ----------
    masks : (H, W) integer
        Label image, 0 background.

    Returns
    -------
    (H, W) bool
        The image's own border counts as something else, so that cut instances are closed.
    """
    padded = np.pad(masks, 1)
    middle = padded[1:-1, 1:-1]
    differs = padded[:-2, 1:-1] != middle
    differs |= padded[2:, 1:-1] != middle
    differs |= padded[1:-1, :-2] != middle
    differs |= padded[1:-1, 2:] != middle
    boundary: NDArray[np.bool_] = differs & (middle != 0)
    return boundary


def colour_indices(
    masks: NDArray[np.integer[Any]], count: int
) -> tuple[NDArray[np.integer[Any]], NDArray[np.intp]]:
    """Give each instance one of `count` colours, different from those of its neighbours.

    Greedy, in the order of labels, so the same masks always get the same colours. An instance with more
    close neighbours than colours takes the one that its neighbours use least.

    Parameters
    ----------
    masks : (H, W) integer
        Label image, 0 background.
    count
        Number of colours.

    Returns
    -------
    labels : (N,) integer
        The labels present, ascending.
    colours : (N,) intp
        Index of a colour for each.
    """
    labels = np.unique(masks)
    labels = labels[labels != 0]
    neighbours = _neighbour_sets(masks, labels)
    colours = np.full(len(labels), -1, np.intp)
    for index in range(len(labels)):
        used = np.bincount([colours[n] for n in neighbours[index] if colours[n] >= 0], minlength=count)
        # Starting the search at a different colour for each label spreads the palette over the image.
        rotated = np.roll(used, -(index % count))
        colours[index] = (int(np.argmin(rotated)) + index) % count
    return labels, colours


def _neighbour_sets(masks: NDArray[np.integer[Any]], labels: NDArray[np.integer[Any]]) -> list[set[int]]:
    """For each label, the positions of the labels a few pixels away along a row or column."""
    pairs: list[NDArray[np.integer[Any]]] = []
    for reach in _NEIGHBOUR_REACH_PX:
        for first, second in (
            (masks[reach:], masks[:-reach]),
            (masks[:, reach:], masks[:, :-reach]),
            (masks[reach:, reach:], masks[:-reach, :-reach]),
            (masks[reach:, :-reach], masks[:-reach, reach:]),
        ):
            meets = (first != second) & (first != 0) & (second != 0)
            pairs.append(np.stack([first[meets], second[meets]], axis=1))
    sets: list[set[int]] = [set() for _ in labels]
    for one, other in np.searchsorted(labels, np.unique(np.concatenate(pairs), axis=0)):
        sets[one].add(int(other))
        sets[other].add(int(one))
    return sets
