"""The heavy door: one file per job kind, the only ones in `services` that import networks.

Each has ``run(context, resources)``, which works through the pending inputs of a claimed job and
returns its result. Nothing is imported here: the API and a worker's parent process stay light.
"""
