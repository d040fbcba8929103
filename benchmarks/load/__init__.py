"""Load: many images in one batch, many jobs, many pollers, long lists, fair turns, bare FastAPI beside us.

Run ``python -m benchmarks.load --help``; results lie in ``docs/results/load``.
"""
