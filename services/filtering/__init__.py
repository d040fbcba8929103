"""What filters said of crops: which are kept at which level, and which lie far from the training data."""
