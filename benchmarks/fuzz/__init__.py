"""Fuzzing of everything that takes bytes from outside: changed files and bodies, and what became of them.

    python -m benchmarks.fuzz parsers --count 4000    # the parsers, in a process of their own
    python -m benchmarks.fuzz extremes                # small inputs that ask for much, at the real limits
    python -m benchmarks.fuzz http --count 4000       # a real server, whose memory is watched
    python -m benchmarks.fuzz sequences --runs 300    # calls along the links of the OpenAPI document
    python -m benchmarks.fuzz replay FORMAT FILE      # one saved input again

The same seed gives the same inputs. What breaks a rule is saved below ``--out`` and named in the report.
"""
