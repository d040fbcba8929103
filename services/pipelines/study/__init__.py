"""The study job: steps that are computed once, a test split under seal, and a report."""
