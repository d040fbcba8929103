"""Which crops look like the aberrations of the training set: rules, scores, and their files."""
