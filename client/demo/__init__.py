"""The demonstration behind ``make demo``: start, upload, segment, show, stop."""
