"""Every command of docker-compose.yml, run with its environment, user, root and secrets, as a cluster."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from tests.support.compose import ROOT, Stage, compose_services, stages
from tests.support.containers import SCRATCH, Container, Host, simulated_host
from tests.support.seaweed import seaweed_binary

pytestmark = [pytest.mark.integration, pytest.mark.own_engines]

# The image of Postgres makes its cluster like this before it starts the declared command.
POSTGRES_DATA = "/var/lib/postgresql/18/docker"
POSTGRES_USER = "65534:65534"
# Another computer on the network, with our client and a scanner's files.
LIMS = "lims"
LIMS_IMAGE = Stage(LIMS, "", copies=[("client", "."), ("samples", ".")], user="10001:10001")
OURS = ("api", "worker-gpu-on-cpu", "worker-cpu", "sweeper")


@dataclass
class Cluster:
    """What `docker compose up` would have started with the profile for a computer without a GPU."""

    host: Host
    secrets: Path

    def make(self, name: str, **changes: object) -> Container:
        """Make the container of a service."""
        service = compose_services()[name] | changes
        stage = stages()[service["build"]["target"]] if "build" in service else None
        user = POSTGRES_USER if name == "postgres" else None
        return self.host.container(name, service, stage, secrets=self.secrets, user=user)

    def get(self, name: str) -> Container:
        """Return a container that runs."""
        return next(made for made in self.host.containers if made.name == name)

    def start(self, name: str, arguments: list[str] | None = None) -> Container:
        """Start a service and wait until its own health check is content."""
        service = compose_services()[name]
        container = self.make(name)
        container.start(arguments or service["command"])
        container.wait_healthy(health_check(name))
        return container

    def ask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Call the service as a LIMS does: another program on the same network, with a key."""
        key = "/run/secrets/bootstrap_admin_key"
        client = ["python", "-m", "client", "--url", "http://api:8000", "--api-key-file", key]
        return self.get(LIMS).run([*client, *arguments], within_s=300)


def health_check(name: str) -> list[str]:
    """Return the command of a service's health check, its own or its image's."""
    service = compose_services()[name]
    declared = service.get("healthcheck", {}).get("test")
    if declared:
        return list(declared[1:])
    return stages()[service["build"]["target"]].healthcheck


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    seaweed_binary()
    folder = tmp_path_factory.mktemp("compose")
    (folder / ".ci").mkdir()
    (folder / ".ci" / "secrets").write_bytes((ROOT / ".ci" / "secrets").read_bytes())
    subprocess.run(["sh", folder / ".ci" / "secrets"], check=True, capture_output=True)
    with simulated_host(folder, [*sorted(compose_services()), LIMS]) as host:
        cluster = Cluster(host, folder / "secrets")
        start_postgres(cluster)
        cluster.start("redis")
        cluster.start("objects", ["weed", *compose_services()["objects"]["command"]])
        for name in ("bucket", "migrate"):
            container = cluster.make(name)
            service = compose_services()[name]
            container.start([*service.get("entrypoint", []), *service["command"]])
            assert container.wait() == 0, container.tail()
        for name in OURS:
            cluster.start(name)
        host.container(LIMS, {"secrets": ["bootstrap_admin_key"]}, LIMS_IMAGE, secrets=cluster.secrets)
        yield cluster


def postgres_command() -> list[str]:
    """Return the declared command, and what the image says by its environment and its own configuration."""
    places = ["-D", POSTGRES_DATA, "-c", "listen_addresses=*", "-c", f"unix_socket_directories={SCRATCH}"]
    return [*compose_services()["postgres"]["command"], *places]


def start_postgres(cluster: Cluster) -> None:
    """Do what the image does at its first start, and then run the declared command."""
    container = cluster.make("postgres")
    role = container.environment["POSTGRES_USER"]
    made = container.run(
        [
            *("initdb", "-D", POSTGRES_DATA, "--username", role, "--encoding=UTF8"),
            *("--auth-local=trust", "--auth-host=scram-sha-256"),
            *("--pwfile", container.environment["POSTGRES_PASSWORD_FILE"]),
        ]
    )
    assert made.returncode == 0, made.stderr
    rule = f"echo host all all all scram-sha-256 >> {POSTGRES_DATA}/pg_hba.conf"
    assert container.run(["sh", "-c", rule]).returncode == 0
    container.start(postgres_command())
    container.wait_healthy(["pg_isready", "--username", role, "--dbname", "postgres", "--host", "127.0.0.1"])
    created = container.run(
        ["createdb", "--host=/tmp", "--username", role, container.environment["POSTGRES_DB"]]
    )
    assert created.returncode == 0, created.stderr
    container.wait_healthy(health_check("postgres"))


class TestCluster:
    def test_scores_a_metaphase_for_whoever_has_the_key(self, cluster: Cluster) -> None:
        """A LIMS uploads three planes of a real metaphase and gets scores, through every container."""
        planes = sorted(f"samples/{path.name}" for path in (ROOT / "samples").glob("A230150_*.tif"))
        rule = ["--dapi", "*_dapi.tif", "--red", "*_red.tif", "--green", "*_green.tif"]

        scored = cluster.ask("score", *planes, "--sample", "S26-1", *rule, "--json")

        assert scored.returncode == 0, scored.stdout + scored.stderr
        assert json.loads(scored.stdout)["job"]["status"] == "succeeded"

    def test_refuses_whoever_has_none(self, cluster: Cluster) -> None:
        """The API listens beyond the loopback address, so it wants a key."""
        api = cluster.get("api")
        ask = "import urllib.request as r; r.urlopen('http://api:8000/v1/jobs')"

        refused = api.run(["python", "-c", ask])

        assert "HTTP Error 401" in refused.stderr

    @pytest.mark.parametrize("name", OURS)
    def test_our_processes_can_write_nowhere_but_where_they_may(self, cluster: Cluster, name: str) -> None:
        """The root is read-only; /tmp and /spool are not, and nothing else is ours."""
        container = cluster.get(name)

        tried = {
            path: container.run(["touch", f"{path}/probe"]).returncode
            for path in ("/app", "/opt", "/etc", "/run/secrets", SCRATCH, "/spool")
        }

        assert container.run(["id", "-u"]).stdout.strip() == "10001"
        assert {path for path, status in tried.items() if status == 0} == {SCRATCH, "/spool"}

    def test_no_secret_is_in_an_environment_or_a_log(self, cluster: Cluster) -> None:
        """What `docker inspect` and `docker logs` would show holds no password and no key."""
        files = "\n".join(path.read_text() for path in cluster.secrets.iterdir())
        # Whatever was drawn at random, also where it is a part of a URL or of a configuration.
        values = set(re.findall("[0-9a-f]{20,}", files))
        shown = "".join(
            "".join(container.environment.values()) + container.log.read_text(errors="replace")
            for container in cluster.host.containers
            if container.log.exists()
        )

        assert len(values) >= 7
        assert [] == [value[:6] for value in values if value in shown]

    def test_a_worker_without_the_gpu_it_was_promised_does_not_start(self, cluster: Cluster) -> None:
        """It would take jobs and fail each of them; it says instead what to do."""
        if torch.cuda.is_available():
            pytest.skip("There is a GPU here, so it would start.")
        worker = cluster.make("worker-gpu")

        tried = worker.run(compose_services()["worker-gpu"]["command"])

        assert tried.returncode != 0
        assert "DEVICE is cuda but torch finds no GPU" in tried.stderr

    def test_a_sweeper_that_hangs_is_noticed(self, cluster: Cluster) -> None:
        """Its health check looks at the time of its last turn."""
        sweeper = cluster.get("sweeper")
        python, flag, module, file = health_check("sweeper")

        fresh = sweeper.run([python, flag, module, file])
        old = sweeper.run([python, flag, module, file, "--max-age-s", "0"])

        assert fresh.returncode == 0
        assert old.returncode == 1

    def test_everything_is_there_after_the_engines_restart(self, cluster: Cluster) -> None:
        """Volumes outlive containers: what was stored before is read after."""
        sample = ["crops", "list", "--sample", "S26-1", "--json"]
        before = cluster.ask(*sample)
        postgres = cluster.get("postgres")
        postgres.stop(60.0, signal.SIGINT)
        postgres.start(postgres_command())
        postgres.wait_healthy(health_check("postgres"))
        redis = cluster.get("redis")
        redis.stop(30.0)
        redis.start(compose_services()["redis"]["command"])
        redis.wait_healthy(health_check("redis"))

        after = cluster.ask(*sample)

        assert before.returncode == 0, before.stderr
        assert json.loads(before.stdout) == json.loads(after.stdout)

    @pytest.mark.parametrize("name", OURS)
    def test_ends_politely_within_its_grace_period(self, cluster: Cluster, name: str) -> None:
        """`docker compose stop` sends SIGTERM, and nobody has to be killed. Last, as it stops them."""
        status = cluster.get(name).stop(
            float(compose_services()[name]["stop_grace_period"].removesuffix("s"))
        )

        # uvicorn ends by the very signal that it was sent, once it has shut down in order.
        assert status in (0, -signal.SIGTERM), cluster.get(name).tail()
        assert "Traceback" not in cluster.get(name).tail()
