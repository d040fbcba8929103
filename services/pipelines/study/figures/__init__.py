"""The pictures of a study's report."""
