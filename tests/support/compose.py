"""docker-compose.yml and Dockerfile.gpu as values: what would run, where, and with which environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker-compose.yml"
DOCKERFILE = ROOT / "Dockerfile.gpu"

_VARIABLE = re.compile(r"\$\{(?P<name>[A-Z0-9_]+)(?P<kind>:-|:\?)?(?P<text>[^}]*)\}|\$\$")


def compose_text() -> str:
    """Return the file as it is."""
    return COMPOSE.read_text(encoding="utf-8")


def compose(environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Read docker-compose.yml with its variables and anchors resolved, as compose does.

    Raises
    ------
    KeyError
        A variable that must be set is not.
    """
    values = environment or {}

    def resolved(match: re.Match[str]) -> str:
        if match.group() == "$$":
            return "$"
        value = values.get(match["name"], "")
        if not value and match["kind"] == ":?":
            raise KeyError(f"{match['name']}: {match['text']}")
        return value or (match["text"] if match["kind"] == ":-" else "")

    def walked(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: walked(value) for key, value in node.items()}
        if isinstance(node, list):
            return [walked(value) for value in node]
        return _VARIABLE.sub(resolved, node) if isinstance(node, str) else node

    document: dict[str, Any] = walked(yaml.safe_load(compose_text()))
    return document


def compose_services() -> dict[str, dict[str, Any]]:
    """Return the services by name."""
    services: dict[str, dict[str, Any]] = compose()["services"]
    return services


def our_services() -> dict[str, dict[str, Any]]:
    """Return the services that run from our images."""
    return {name: service for name, service in compose_services().items() if "build" in service}


@dataclass
class Stage:
    """One stage of the Dockerfile with what it inherits."""

    name: str
    base: str
    environment: dict[str, str] = field(default_factory=dict)
    copies: list[tuple[str, str]] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    user: str = "root"
    healthcheck: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)


def dockerfile_lines() -> list[str]:
    """Return the Dockerfile's instructions, one per line, without comments."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [line.strip() for line in re.sub(r"\\\n\s*", " ", text).splitlines() if line.strip()]


def stages() -> dict[str, Stage]:
    """Return the Dockerfile's stages by name."""
    found: dict[str, Stage] = {}
    current: Stage | None = None
    for line in dockerfile_lines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            current = _inherited(name, base, found.get(base))
            found[name] = current
        elif current is not None:
            _apply(current, word, rest)
    return found


def _inherited(name: str, base: str, parent: Stage | None) -> Stage:
    if parent is None:
        return Stage(name, base)
    return Stage(
        name,
        base,
        dict(parent.environment),
        list(parent.copies),
        list(parent.runs),
        parent.user,
        list(parent.healthcheck),
        list(parent.command),
    )


def _apply(stage: Stage, word: str, rest: str) -> None:
    if word == "ENV":
        stage.environment |= dict(re.findall(r"([A-Z0-9_]+)=(\S+)", rest))
    elif word == "COPY":
        *sources, target = rest.split()
        stage.copies += [(source, target) for source in sources]
    elif word == "RUN":
        stage.runs.append(rest)
    elif word == "USER":
        stage.user = rest
    elif word == "HEALTHCHECK":
        stage.healthcheck = yaml.safe_load(rest.partition("CMD ")[2])
    elif word == "CMD":
        stage.command = yaml.safe_load(rest)
