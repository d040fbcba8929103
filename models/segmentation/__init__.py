"""Chromosome instances in a metaphase image: Cellpose CPnet, its training, and crops."""
