"""Experiments with the classifier on labelled metaphases; none of them is a timed test."""
