"""The files that describe a cluster, as far as they can be judged without an engine that runs them."""

from __future__ import annotations

import fnmatch
import re
import subprocess
import sys
from pathlib import Path

import pytest

from services.config import Settings
from services.embedded.postgres import POSTGRES_MAJOR
from tests.support.compose import (
    COMPOSE,
    ROOT,
    compose,
    compose_services,
    compose_text,
    dockerfile_lines,
    our_services,
    stages,
)

RUNTIME_STAGES = ("api", "worker-gpu", "worker-cpu")
# Variables that are no settings of ours: the vendor's, and OpenTelemetry's.
FOREIGN_VARIABLES = ("AWS_", "OTEL_")


class TestCompose:
    def test_keeps_to_the_specification(self) -> None:
        """The file fits the JSON schema of the compose specification."""
        checked = subprocess.run(
            [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE],
            capture_output=True,
            text=True,
            check=False,
        )

        assert 0 == checked.returncode, checked.stdout

    def test_has_all_parts(self) -> None:
        """Whoever starts it has the whole service."""
        expected = {"api", "worker-gpu", "worker-cpu", "sweeper", "migrate", "postgres", "redis", "objects"}

        assert expected <= set(compose_services())

    @pytest.mark.parametrize("name", sorted(our_services()))
    def test_every_command_can_be_started(self, name: str) -> None:
        """No service names a module that does not exist, or that its image does not hold."""
        service = our_services()[name]
        python, flag, module, *_ = service["command"]
        path = ROOT / module.replace(".", "/")
        copied = {source for source, _ in stages()[service["build"]["target"]].copies}

        assert (python, flag) == ("python", "-m")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists()
        assert module.partition(".")[0] in copied

    @pytest.mark.parametrize("name", sorted(our_services()))
    def test_every_variable_is_a_setting(self, name: str) -> None:
        """A misspelt variable would be ignored in silence."""
        known = {field.upper() for field in Settings.model_fields}
        unknown = {
            variable
            for variable in our_services()[name]["environment"]
            if not {variable, variable.removesuffix("_FILE")} & known
            and not variable.startswith(FOREIGN_VARIABLES)
        }

        assert set() == unknown

    @pytest.mark.parametrize("name", sorted(our_services()))
    def test_every_secret_that_is_read_is_mounted(self, name: str) -> None:
        """A file that a variable names is there, and no other secret is."""
        service = our_services()[name]
        named = {
            Path(value).name
            for variable, value in service["environment"].items()
            if variable.endswith("_FILE") and value.startswith("/run/secrets/")
        }

        assert named == set(service["secrets"])

    def test_no_secret_stands_in_it(self) -> None:
        """Passwords and keys are files; `docker inspect` shows none."""
        suspicious = {
            f"{name}.{variable}"
            for name, service in compose_services().items()
            for variable, value in (service.get("environment") or {}).items()
            if re.search("PASSWORD|SECRET|KEY|DATABASE_URL|BROKER_URL|STORAGE_URL", variable)
            and not str(value).startswith("/run/secrets/")
        }

        assert set() == suspicious

    def test_the_script_makes_every_secret(self, tmp_path: Path) -> None:
        """`make secrets` leaves nothing to be made by hand, closes the folder, and never makes them anew."""
        (tmp_path / ".ci").mkdir()
        script = tmp_path / ".ci" / "secrets"
        script.write_bytes((ROOT / ".ci" / "secrets").read_bytes())
        subprocess.run(["sh", script], check=True, capture_output=True)
        made = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}

        subprocess.run(["sh", script], check=True, capture_output=True)
        again = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}

        assert set(compose()["secrets"]) == set(made)
        assert made == again
        assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
        assert all(len(secret) >= 20 for secret in made.values())
        assert "secrets/" in (ROOT / ".gitignore").read_text(encoding="utf-8").split()

    @pytest.mark.parametrize("name", sorted(our_services()))
    def test_our_processes_may_do_little(self, name: str) -> None:
        """A hole in a parser meets a read-only file system, no capability and no other user."""
        service = our_services()[name]

        assert service["read_only"]
        assert ["ALL"] == service["cap_drop"]
        assert ["no-new-privileges:true"] == service["security_opt"]
        assert "10001:10001" == stages()[service["build"]["target"]].user

    @pytest.mark.parametrize("name", sorted(compose_services()))
    def test_every_service_is_limited_and_watched(self, name: str) -> None:
        """None takes the whole machine, fills the disk with logs, or hangs without anybody's noticing."""
        service = compose_services()[name]
        image_watches = "build" in service and stages()[service["build"]["target"]].healthcheck
        ends_by_itself = service.get("restart") == "on-failure"

        assert {"cpus", "memory", "pids"} <= set(service["deploy"]["resources"]["limits"])
        assert "max-size" in service["logging"]["options"]
        assert "restart" in service
        assert ends_by_itself or image_watches or service["healthcheck"]["test"]

    def test_only_what_must_can_reach_the_outside(self) -> None:
        """Databases and workers are on a network without a way out."""
        outside = {name for name, service in compose_services().items() if "outside" in service["networks"]}

        assert compose()["networks"]["inside"]["internal"]
        assert {"api", "sweeper", "grafana"} == outside

    def test_ports_are_published_on_the_loopback_alone(self) -> None:
        """A proxy with TLS stands between the service and other machines."""
        ports = [port for service in compose_services().values() for port in service.get("ports", [])]

        assert ports
        assert all(port.startswith("127.0.0.1:") for port in ports)

    def test_images_are_named_exactly(self) -> None:
        """What ran yesterday runs tomorrow."""
        images = [service["image"] for service in compose_services().values() if "build" not in service]

        assert all(re.search(r":v?\d", image) for image in images), images

    def test_volumes_and_networks_are_all_declared_and_used(self) -> None:
        """No data lies in a container's own layer by a misspelt name."""
        document = compose()
        mounted = {
            volume.partition(":")[0]
            for service in document["services"].values()
            for volume in service.get("volumes", [])
            if not volume.startswith("./")
        }

        assert set(document["volumes"]) == mounted

    def test_files_that_are_mounted_exist(self) -> None:
        """The profile with Prometheus finds its configuration."""
        files = [
            volume.partition(":")[0]
            for service in compose_services().values()
            for volume in service.get("volumes", [])
            if volume.startswith("./")
        ]

        assert files
        assert all((ROOT / name).is_file() for name in files)

    def test_profiles_are_those_that_the_example_names(self) -> None:
        """The default of .env.example starts something for every queue."""
        profiles = {name for service in compose_services().values() for name in service.get("profiles", [])}
        example = re.search(
            "^COMPOSE_PROFILES=(.*)$", (ROOT / ".env.example").read_text("utf-8"), re.MULTILINE
        )

        assert {"gpu", "cpu", "observability"} == profiles
        assert example is not None
        assert "gpu" == example[1]

    def test_the_database_is_the_embedded_one_in_another_place(self) -> None:
        """Both ways of running use the same major version of Postgres."""
        assert compose_services()["postgres"]["image"].startswith(f"postgres:{POSTGRES_MAJOR}-")

    def test_redis_never_drops_a_message_to_make_room(self) -> None:
        """A broker that evicts loses jobs' ids, and keeps them over a restart only with its log."""
        command = " ".join(compose_services()["redis"]["command"])

        assert "--maxmemory-policy noeviction" in command
        assert "--appendonly yes" in command

    def test_variables_are_explained(self) -> None:
        """Whatever compose reads from .env is in the example."""
        named = set(re.findall(r"\$\{([A-Z0-9_]+)", compose_text()))
        example = set(re.findall("^([A-Z0-9_]+)=", (ROOT / ".env.example").read_text("utf-8"), re.MULTILINE))

        assert named <= example


class TestDockerfile:
    @pytest.mark.parametrize("name", RUNTIME_STAGES)
    def test_runs_as_nobody_in_particular(self, name: str) -> None:
        """The last user of every image has no name, no home and no rights."""
        assert "10001:10001" == stages()[name].user

    @pytest.mark.parametrize("name", RUNTIME_STAGES)
    def test_installs_what_is_locked(self, name: str) -> None:
        """Packages come with hashes; torch, whose builds differ, with its exact version."""
        installs = [run for run in stages()[name].runs if "pip install" in run]
        loose = [run for run in installs if "--require-hashes" not in run and "requirements-torch" not in run]

        assert installs
        assert [] == loose

    def test_the_api_has_no_torch(self) -> None:
        """Its image is small, and starts in a second."""
        api = stages()["api"]

        assert not any("torch" in run for run in api.runs)
        assert "workers" not in {source for source, _ in api.copies}

    @pytest.mark.parametrize("name", RUNTIME_STAGES)
    def test_copies_only_what_is_there_and_not_ignored(self, name: str) -> None:
        """The build context holds every source, and nothing else."""
        patterns = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        allowed = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
        sources = {source for source, _ in stages()[name].copies}

        assert "*" in patterns
        assert all((ROOT / source).exists() for source in sources)
        assert all(any(fnmatch.fnmatch(source, pattern) for pattern in allowed) for source in sources)

    def test_takes_nothing_from_the_network_by_itself(self) -> None:
        """No ADD of an address, no piped script, no floating tag."""
        lines = dockerfile_lines()

        assert not [line for line in lines if line.startswith("ADD ") or "curl" in line or ":latest" in line]
        assert any(re.match(r"ARG PYTHON_IMAGE=python:\d+\.\d+-slim-\w+$", line) for line in lines)

    def test_every_build_target_is_a_stage(self) -> None:
        """Compose builds what the Dockerfile can make."""
        assert set(stages()) >= {service["build"]["target"] for service in our_services().values()}

    @pytest.mark.parametrize("name", RUNTIME_STAGES)
    def test_starts_what_compose_starts(self, name: str) -> None:
        """An image that is run by hand does what it does in the cluster."""
        commands = [
            service["command"] for service in our_services().values() if service["build"]["target"] == name
        ]

        assert stages()[name].command in commands
