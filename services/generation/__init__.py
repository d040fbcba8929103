"""Synthetic crops: what they are made from, how each was made, and how good a job's are."""
