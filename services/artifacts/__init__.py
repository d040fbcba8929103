"""Versioned artifacts: segmenters, classifiers, generators and filters that a lab trusts by name; studies."""
