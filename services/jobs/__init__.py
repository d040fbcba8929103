"""Jobs that survive: the row in Postgres is the truth, a message to a worker is only an id.

`kinds` says what can be asked for, `service` submits and steers, `leases` is how a worker holds a
job, `context` is what a pipeline sees of it, and `sweep` picks up whatever was dropped on the way.
"""
