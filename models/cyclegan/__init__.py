"""CycleGAN, the baseline: colours for DAPI, learned from unpaired pictures of aberrations."""
