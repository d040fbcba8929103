"""ResNet-18 that tells aberrant chromosomes from normal ones: canvases in, scores and embeddings out."""
