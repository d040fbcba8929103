"""The processes that run jobs: Celery brings an id, the database says whether there is work.

Start one with ``python -m workers``, and the sweep beside it with ``python -m workers.sweeper``.
"""
