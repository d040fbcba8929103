"""Measurements of the filter: invariance, speed beside umap-learn, what it keeps."""
