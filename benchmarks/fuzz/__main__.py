"""``python -m benchmarks.fuzz``: see the package for what each command does."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import fuzz
from benchmarks.fuzz import artifact_targets, campaign, extremes, http, sequences, targets
from benchmarks.fuzz.limits import MAX_GROWTH_BYTES, MAX_SECONDS
from benchmarks.fuzz.server import serving
from services.images.limits import Limits

# At the limits of a service: the pixels of a file once, one plane more, and the file.
EXTREME_GROWTH_BYTES = 2 * Limits().max_decoded_bytes + Limits().max_file_bytes
_MODULES = (targets, artifact_targets)


def main() -> int:
    """Run a command; the exit status is 1 if anything broke a rule."""
    options = _options()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.command == "replay":
        return _replay(options.format, options.file)
    commands: Mapping[str, Callable[[], dict[str, Any]]] = {
        "parsers": partial(_parsers, options),
        "extremes": _extremes,
        "http": lambda: http.run(seed=options.seed, count=options.count, keep_in=options.out).to_json(),
        "sequences": partial(_sequences, options),
    }
    started = time.perf_counter()
    measured = commands[options.command]() | {
        "seed": options.seed,
        "seconds": round(time.perf_counter() - started),
    }
    text = json.dumps(measured, indent=1)
    (options.out / f"{options.command}.json").write_text(text + "\n", encoding="utf-8")
    print(text)
    return int(_is_broken(measured))


def _is_broken(measured: Any) -> bool:
    """Whether anything in the results broke a rule."""
    if not isinstance(measured, dict):
        return False
    return bool(measured.get("broken")) or any(_is_broken(inner) for inner in measured.values())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.fuzz", description=fuzz.__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--out", type=Path, default=Path("var/fuzz"), help="folder of results and kept inputs"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    parsers = commands.add_parser("parsers", help="the parsers, in a process of their own")
    parsers.add_argument("--count", type=int, default=4000, help="changed inputs per format")
    parsers.add_argument(
        "--format", action="append", choices=[name for one in _MODULES for name in one.TARGETS]
    )
    commands.add_parser("extremes", help="small inputs that ask for much")
    requests = commands.add_parser("http", help="a real server")
    requests.add_argument("--count", type=int, default=4000, help="changed requests in all")
    walks = commands.add_parser("sequences", help="calls along the links of the OpenAPI document")
    walks.add_argument("--runs", type=int, default=300)
    walks.add_argument("--steps", type=int, default=10)
    again = commands.add_parser("replay", help="one saved input again")
    again.add_argument("format", help="a format, or http")
    again.add_argument("file", type=Path)
    return parser.parse_args()


def _parsers(options: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for module in _MODULES:
        for name, target in module.TARGETS.items():
            if options.format is None or name in options.format:
                report = campaign.run(
                    module.__name__, name, target, seed=options.seed, count=options.count, keep_in=options.out
                )
                found[name] = report.to_json()
                print(name, json.dumps(found[name]), flush=True)
    bounds = {"growth_mib": MAX_GROWTH_BYTES >> 20, "seconds": MAX_SECONDS}
    return {"bounds": bounds, "inputs": sum(one["inputs"] for one in found.values()), "formats": found}


def _extremes() -> dict[str, Any]:
    """Each in a fresh process, so that every peak is its own."""
    found: dict[str, Any] = {}
    for name, builders in extremes.EXTREMES.items():
        for build in builders:
            data = build()
            with campaign.Executor(extremes.__name__, name, EXTREME_GROWTH_BYTES) as executor:
                outcome = executor.run(data)
            found[build.__name__] = {
                "format": name,
                "bytes": len(data),
                "codes": list(outcome.codes),
                "seconds": round(outcome.seconds, 2),
                "growth_mib": outcome.growth_bytes >> 20,
                "broken": {"rule": outcome.broken} if outcome.broken else {},
            }
            print(build.__name__, json.dumps(found[build.__name__]), flush=True)
    return {"bounds": {"growth_mib": EXTREME_GROWTH_BYTES >> 20, "seconds": MAX_SECONDS}, "inputs": found}


def _sequences(options: argparse.Namespace) -> dict[str, Any]:
    with serving() as server:
        walked = sequences.walk(
            server.document(),
            server.address,
            {"Authorization": f"Bearer {server.new_key()}"},
            runs=options.runs,
            steps=options.steps,
            seed=options.seed,
        )
    return {"runs": options.runs, "steps": options.steps, **walked.to_json()}


def _replay(name: str, path: Path) -> int:
    if name == "http":
        answer = http.replay(path)
        print(answer.status_code, answer.text)
        return int(answer.is_server_error)
    module = next(one for one in _MODULES if name in one.TARGETS)
    with campaign.Executor(module.__name__, name) as executor:
        outcome = executor.run(path.read_bytes())
    print(outcome)
    return int(bool(outcome.broken))


if __name__ == "__main__":
    raise SystemExit(main())
