"""Fuzzing that keeps what reaches new code, with atheris, which is not part of the environment.

    pip install --target FOLDER --no-deps atheris
    PYTHONPATH=FOLDER python -m benchmarks.fuzz.guided tiff --seconds 300

Lines and comparisons of the service, tifffile, Pillow's Python part and zipfile count as code. Changes are
those of `mutating` besides libFuzzer's own. It ends at the first input that breaks a rule, and saves it.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import warnings
from pathlib import Path
from random import Random
from typing import Any

import atheris

from benchmarks.fuzz.limits import MAX_GROWTH_BYTES, MAX_SECONDS
from benchmarks.fuzz.mutating import MAX_BYTES, mutate

_WATCHED = ["services.images", "services.datasets", "tifffile", "PIL", "zipfile"]
with atheris.instrument_imports(include=_WATCHED):
    from benchmarks.fuzz.targets import TARGETS

# What a process has before its first input, and libFuzzer's own growing memory.
_OWN_MIB = 1000


def main() -> None:
    """Fuzz one format until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("format", choices=sorted(TARGETS))
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("var/fuzz"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    target = TARGETS[options.format]
    corpus = target.seeds()

    def changed(data: bytes, max_size: int, seed: int) -> bytes:
        rng = Random(seed)
        if rng.random() < 1 / 2:
            return bytes(atheris.Mutate(data, max_size))
        return mutate(data, corpus, rng)[:max_size]

    def tried(data: bytes) -> Any:
        target.run(data)

    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(corpus):
            (Path(folder) / f"{number:03d}").write_bytes(seed)
        arguments = [
            *(f"-max_total_time={options.seconds}", f"-max_len={MAX_BYTES}", f"-seed={options.seed}"),
            *(f"-timeout={MAX_SECONDS:.0f}", f"-rss_limit_mb={_OWN_MIB + (MAX_GROWTH_BYTES >> 20)}"),
            *(f"-artifact_prefix={options.out}/{options.format}-", "-print_final_stats=1"),
        ]
        atheris.Setup([sys.argv[0], *arguments, folder], tried, custom_mutator=changed)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
