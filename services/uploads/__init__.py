"""Taking in a batch of files: one bad file rejects itself, never the batch."""
