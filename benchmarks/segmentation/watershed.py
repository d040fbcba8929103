"""A classical baseline: Otsu's threshold, then a watershed on the distance to the background.

It gets the same post-processing as the network. Its parameters were chosen on a quarter of the
training metaphases; see docs/results/segmentation.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import gaussian, threshold_otsu
from skimage.morphology import h_maxima
from skimage.segmentation import watershed

from models.segmentation.normalisation import normalise
from models.segmentation.postprocess import Refined, RemovalRules, refine

SMOOTHING_PX = 0.7
BACKGROUND_DIAMETERS = 1.2  # width of the Gaussian that is taken for background
OTSU_SHARE = 0.75  # of Otsu's threshold: outlines in the labelled data are drawn a little outside
MIN_DEPTH_OF_DIAMETER = 0.15  # a saddle shallower than this share of the diameter does not split


def segment_by_watershed(dapi: NDArray[np.generic], diameter_px: float) -> Refined:
    """Chromosomes of a DAPI image (H, W) without a network."""
    # Clipping keeps a few bright nuclei from deciding the threshold.
    image = gaussian(np.clip(normalise(dapi), 0.0, 1.0), SMOOTHING_PX)
    image = image - gaussian(image, BACKGROUND_DIAMETERS * diameter_px)
    foreground = image > OTSU_SHARE * threshold_otsu(image)
    distance = ndimage.distance_transform_edt(foreground)
    markers, _ = ndimage.label(h_maxima(distance, MIN_DEPTH_OF_DIAMETER * diameter_px), np.ones((3, 3)))
    labels = watershed(-distance, markers, mask=foreground)
    return refine(labels.astype(np.int32), dapi, RemovalRules.of(diameter_px, None, 0.0))
