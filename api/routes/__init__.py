"""The paths of the HTTP contract, one file per subject."""
