"""Brownian Bridge diffusion from DAPI to the colours of an aberration: the method of the paper."""
