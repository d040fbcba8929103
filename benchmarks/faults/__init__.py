"""What becomes of jobs when parts of an installation are killed, starved, frozen or cut off.

    python -m benchmarks.faults --repeats 20
    python -m benchmarks.faults --fault database --kind study --repeats 20 --resume
    python -m benchmarks.faults.tables --write

Everything is real: Postgres that waits for the disk, Redis that keeps its messages, the API in uvicorn,
Celery workers, the sweeper, and jobs of every kind with small inputs. A fault strikes at a random moment
of running jobs; afterwards rows and objects are held against those of an undisturbed run.

`stage` starts the processes, `inputs` and `kinds` say what jobs work on, `fingerprints` what they made,
`faults/…` what is done to them, `invariants` what must still be true, `rounds` goes through all of it.
"""
