"""Frozen, numbered data sets: imported or made of annotated crops, split without leakage, given out again."""
