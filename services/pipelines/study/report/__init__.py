"""The report of a study, as one page and as a PDF, out of the same blocks."""
