"""Training, tuning and scoring of the segmenter."""
