"""Chromosome crops: where they came from, what people said of them, and their pixels."""
