"""The dashboard and the alerts name only what a service that really runs exports."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from services.db.engine import session_factory
from services.jobs.dispatch import NullDispatcher
from services.jobs.service import JobService
from services.pipelines import resources
from tests.support import promql
from tests.support.fleet import Fleet, eventually, hasty_fleet, wiring_of
from tests.support.http import serving, upload
from workers import metrics as worker_metrics

pytestmark = pytest.mark.integration

FOLDER = Path(__file__).parents[2] / "docs" / "deployment"
# A label with many values makes a series of each: ids, paths and names of samples may be none.
FEW_VALUES = {
    "kind", "queue", "priority", "status", "outcome", "method", "route", "operation", "direction", "state",
    "part", "version", "role", "reason", "end", "result", "le", "generation",
}  # fmt: skip
# What Prometheus itself adds, and one of the client library.
OF_PROMETHEUS = {"instance", "job"}
# Only where a network was loaded or a GPU is there, which a diagnostic job brings with it nowhere.
DECLARED = (worker_metrics.GPU_MEMORY, resources.LOAD_SECONDS, resources.LOOKUPS, worker_metrics.HAND_BACKS)


def free_port() -> int:
    """Return a port that nobody listens to now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@dataclass(frozen=True)
class Scraped:
    """What each process shows after one job."""

    api: list[Metric]
    worker: list[Metric]
    sweeper: list[Metric]

    @property
    def families(self) -> list[Metric]:
        """All of them."""
        return [*self.api, *self.worker, *self.sweeper]


def scrape(url: str) -> list[Metric]:
    """Read what a process shows Prometheus."""
    return list(text_string_to_metric_families(httpx.get(url, timeout=30).text))


@pytest.fixture(scope="module")
def scraped(
    database_url: str, database_engine: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scraped]:
    ports = {"WORKER_METRICS_PORT": free_port(), "SWEEPER_METRICS_PORT": free_port()}
    sessions = session_factory(database_engine)
    with hasty_fleet(database_url, sessions, tmp_path_factory.mktemp("fleet")) as fleet:
        fleet.variables |= {name: str(port) for name, port in ports.items()}
        run_one_job(fleet)
        elsewhere = fleet.settings.model_copy(update={"cpu_queue": "nobody"})
        JobService(sessions, NullDispatcher(), elsewhere).submit("diagnostic", {})
        with (
            wiring_of(fleet) as wiring,
            serving(wiring) as url,
            httpx.Client(base_url=url, timeout=30) as client,
        ):
            upload(client, "S26-0001")
            yield Scraped(
                scrape(f"{url}/metrics"),
                scrape(f"http://127.0.0.1:{ports['WORKER_METRICS_PORT']}/metrics"),
                scrape(f"http://127.0.0.1:{ports['SWEEPER_METRICS_PORT']}/metrics"),
            )


def run_one_job(fleet: Fleet) -> None:
    """Let a worker do a job and a sweeper see it end."""
    fleet.worker(ready=False)
    fleet.sweeper()
    fleet.wait(fleet.submit(items=2), "succeeded")
    port = fleet.variables["SWEEPER_METRICS_PORT"]

    def swept() -> bool:
        shown = scrape(f"http://127.0.0.1:{port}/metrics")
        return any(
            s.value > 0 for f in shown for s in f.samples if s.name.startswith("karyobridge_sweep_last")
        )

    eventually(swept, "a sweep has come to its end")


def expressions() -> list[str]:
    """Return every expression of the dashboard and the alerts."""
    dashboard = json.loads((FOLDER / "grafana-dashboard.json").read_text(encoding="utf-8"))
    alerts = yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))
    shown = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    return shown + [rule["expr"] for group in alerts["groups"] for rule in group["rules"]]


def sample_names(families: list[Metric]) -> set[str]:
    """Return the names that series of these families can have."""
    suffixes = {
        "counter": ("_total",),
        "histogram": ("_bucket", "_sum", "_count"),
        "summary": ("_sum", "_count"),
    }
    return {f"{family.name}{suffix}" for family in families for suffix in suffixes.get(family.type, ("",))}


class TestExported:
    def test_has_every_metric_of_dashboard_and_alerts(self, scraped: Scraped) -> None:
        """No panel is empty, and no alert silent, because of a misspelt name."""
        declared = [family for metric in DECLARED for family in metric.collect()]
        known = sample_names([*scraped.families, *declared])
        wanted = {name for one in expressions() for name in promql.read(one).metrics}

        assert set() == wanted - known

    def test_has_every_label_of_dashboard_and_alerts(self, scraped: Scraped) -> None:
        """No expression picks by a label that no series has."""
        had = {label for family in scraped.families for sample in family.samples for label in sample.labels}
        declared = {label for metric in DECLARED for label in metric._labelnames}
        wanted = {name for one in expressions() for name in promql.read(one).labels}

        assert set() == wanted - had - declared - OF_PROMETHEUS

    def test_shows_what_one_job_did(self, scraped: Scraped) -> None:
        """The worker counts its attempt and items, the API reads the same from the database."""
        values = {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in [*scraped.worker, *scraped.api]
            for sample in family.samples
        }
        kind = ("kind", "diagnostic")

        assert 1 == values["karyobridge_worker_runs_total", ("end", "succeeded"), kind]
        assert 2 == values["karyobridge_worker_items_total", kind, ("outcome", "succeeded")]
        assert 0 == values[("karyobridge_worker_busy",)]
        assert 1 <= values["karyobridge_jobs_total", kind, ("outcome", "succeeded")]
        assert {1.0} == {
            values["karyobridge_part_up", ("part", part)] for part in ("database", "broker", "store")
        }
        roles = {
            sample.labels["role"]
            for family in scraped.families
            for sample in family.samples
            if sample.name == "karyobridge_build_info"
        }
        assert {"api", "worker", "sweeper"} == roles

    def test_follows_the_conventions(self, scraped: Scraped) -> None:
        """Names as Prometheus wants them: base units at the end, help on each, no label with many values."""
        ours = [family for family in scraped.families if family.name.startswith("karyobridge_")]

        assert len(ours) > 25
        assert [] == [family.name for family in ours if not family.documentation.strip()]
        assert [] == [f.name for f in ours if not re.fullmatch(r"karyobridge(_[a-z0-9]+)+", f.name)]
        assert [] == [
            f.name for f in ours if re.search(r"_(ms|milliseconds|minutes|kb|mb|percent)(_|$)", f.name)
        ]
        assert set() == {label for f in ours for s in f.samples for label in s.labels} - FEW_VALUES

    def test_is_all_shown_somewhere(self, scraped: Scraped) -> None:
        """A figure that nobody looks at is not worth its series; new ones get a panel or an alert."""
        shown = {name for one in expressions() for name in promql.read(one).metrics}
        ours = [family for family in scraped.families if family.name.startswith("karyobridge_")]

        assert [] == sorted(f.name for f in ours if not sample_names([f]) & shown)


class TestFiles:
    def test_dashboard_can_be_imported(self) -> None:
        """Its data source is a variable, ids are unique, panels do not overlap, each says what it shows."""
        dashboard = json.loads((FOLDER / "grafana-dashboard.json").read_text(encoding="utf-8"))
        variables = {variable["name"] for variable in dashboard["templating"]["list"]}
        panels = dashboard["panels"]
        cells = [
            (panel["gridPos"]["x"] + dx, panel["gridPos"]["y"] + dy)
            for panel in panels
            for dx in range(panel["gridPos"]["w"])
            for dy in range(panel["gridPos"]["h"])
        ]
        groups = [panel["title"] for panel in panels if panel["type"] == "row"]

        assert {"datasource", "instance"} == variables
        assert len({panel["id"] for panel in panels}) == len(panels)
        assert len(set(cells)) == len(cells)
        assert all(x < 24 for x, _ in cells)
        assert [
            "Service health",
            "HTTP",
            "Queue",
            "Jobs",
            "Items",
            "Workers",
            "Object store",
            "Webhooks",
        ] == groups
        assert {"${datasource}"} == {p["datasource"]["uid"] for p in panels if p["type"] != "row"}
        used = set(re.findall(r"\$\{?(\w+)", " ".join(expressions()))) - {
            "__rate_interval",
            "labels",
            "value",
        }
        assert used <= variables

    def test_every_alert_says_what_to_do(self) -> None:
        """Whoever is woken reads what happened and where to begin."""
        alerts = yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))
        rules = [rule for group in alerts["groups"] for rule in group["rules"]]

        assert len({rule["alert"] for rule in rules}) == len(rules)
        assert all({"summary", "action"} == set(rule["annotations"]) for rule in rules)
        assert {"page", "ticket"} == {rule["labels"]["severity"] for rule in rules}

    def test_prometheus_scrapes_every_process_of_compose(self) -> None:
        """Each of our services that has figures is a target, at its port."""
        config = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))
        compose = yaml.safe_load((FOLDER.parents[1] / "docker-compose.yml").read_text(encoding="utf-8"))
        targets = {
            (name, places["port"])
            for job in config["scrape_configs"]
            for places in job["dns_sd_configs"]
            for name in places["names"]
        }
        ports = {
            (name, int(service["environment"][variable]))
            for name, service in compose["services"].items()
            for variable in ("WORKER_METRICS_PORT", "SWEEPER_METRICS_PORT")
            if variable in service.get("environment", {})
        }

        assert {("api", 8000), *ports} == targets
        assert ["alerts.yml"] == config["rule_files"]


class TestPromql:
    @pytest.mark.parametrize(
        "wrong", ["sum(rate(x[5m])", "x{a=b}", 'x{a="b"', "rate(x[5])", 'x{"a"}', "sum by (a (x)", "x[5m]]"]
    )
    def test_finds_what_it_must(self, wrong: str) -> None:
        """The checks above are not kept by looking away."""
        with pytest.raises(ValueError, match="in "):
            promql.read(wrong)

    def test_names_metrics_and_labels(self) -> None:
        """Strings, ranges, functions and grouping are no metrics."""
        named = promql.read('sum by (a, le) (rate(x_total{b=~"sum|y", c!="z"}[5m])) / on (d) y > 0.5')

        assert ({"x_total", "y"}, {"a", "b", "c", "d", "le"}) == (set(named.metrics), set(named.labels))
