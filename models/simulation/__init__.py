"""Translocations painted on real chromosomes: a generator that needs no training."""
