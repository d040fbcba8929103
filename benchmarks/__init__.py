"""Measurements that are run by hand (`make bench`), never timed tests."""
