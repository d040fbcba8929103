"""What the routes stand on, built once per process and passed in, so that tests pass their own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from prometheus_client import CollectorRegistry, ProcessCollector
from sqlalchemy import Engine

from api.rates import RateLimits
from services.config import Settings
from services.datasets.service import DatasetService
from services.db.engine import SessionFactory, make_engine, session_factory
from services.errors import InvalidInputError
from services.filtering.maps import MapService
from services.filtering.service import FilterService
from services.filtering.verdicts import VerdictService
from services.generation.reports import ReportService
from services.generation.samples import SampleService
from services.health import Health, check_database
from services.images.annotation import AnnotationService
from services.incoming.service import IncomingService
from services.jobs.celery_dispatch import CeleryDispatcher
from services.jobs.dispatch import Dispatcher
from services.jobs.service import JobService
from services.key_use import KeyUse
from services.metrics import JobCollector
from services.predictions.exports import PredictionExport
from services.predictions.service import EmbeddingService
from services.process_metrics import BuildCollector, PoolCollector, ReachCollector
from services.segmentations.pictures import PictureService
from services.storage.base import ObjectStore
from services.storage.factory import open_store
from services.storage.observed import ObservedStore, StoreMetrics
from services.studies.service import StudyService
from services.submissions import SubmissionService
from services.uploads.service import UploadService
from services.webhooks.service import WebhookService

# As many connections as the thread pool has threads: no request waits for one behind another.
POOL_SIZE = 20


@dataclass(frozen=True)
class Wiring:
    """The settings and the doors to everything else.

    `readers` opens sessions whose transactions Postgres itself keeps from writing.
    """

    settings: Settings
    engine: Engine
    sessions: SessionFactory
    readers: SessionFactory
    store: ObjectStore
    jobs: JobService
    submissions: SubmissionService
    uploads: UploadService
    incoming: IncomingService
    pictures: PictureService
    annotations: AnnotationService
    datasets: DatasetService
    embeddings: EmbeddingService
    exports: PredictionExport
    reports: ReportService
    samples: SampleService
    filters: FilterService
    verdicts: VerdictService
    maps: MapService
    studies: StudyService
    webhooks: WebhookService
    key_use: KeyUse
    rates: RateLimits
    health: Health
    metrics: CollectorRegistry

    def close(self) -> None:
        """Let go of connections and threads."""
        self.health.close()
        self.key_use.close()
        self.engine.dispose()


def wire(
    settings: Settings,
    *,
    engine: Engine | None = None,
    store: ObjectStore | None = None,
    dispatcher: Dispatcher | None = None,
) -> Wiring:
    """Connect everything that the settings name; a part that is passed in is used instead.

    Raises
    ------
    InvalidInputError
        The settings name no database or no broker: the embedded ones belong to the supervisor.
    """
    engine = engine or make_engine(_database_url(settings), pool_size=POOL_SIZE)
    registry = CollectorRegistry()
    store = ObservedStore(
        store or open_store(settings.store_url, settings.object_store_public_endpoint), StoreMetrics(registry)
    )
    dispatcher = dispatcher or CeleryDispatcher(_broker_url(settings))
    sessions = session_factory(engine)
    readers = session_factory(engine.execution_options(postgresql_readonly=True))
    jobs = JobService(sessions, dispatcher, settings)
    health = Health(
        {"database": partial(check_database, engine), "broker": dispatcher.check, "store": store.check}
    )
    _register(registry, readers, engine, health)
    return Wiring(
        settings=settings,
        engine=engine,
        sessions=sessions,
        readers=readers,
        store=store,
        jobs=jobs,
        submissions=SubmissionService(sessions, store, jobs),
        uploads=UploadService(sessions, store, settings),
        incoming=IncomingService(readers, store, settings),
        pictures=PictureService(sessions, store),
        annotations=AnnotationService(sessions, store),
        datasets=DatasetService(readers, store, settings),
        embeddings=EmbeddingService(readers, store),
        exports=PredictionExport(readers, store),
        reports=ReportService(readers, store),
        samples=SampleService(readers, store),
        filters=FilterService(readers, store),
        verdicts=VerdictService(readers),
        maps=MapService(readers, store),
        studies=StudyService(readers, store),
        webhooks=WebhookService(settings),
        key_use=KeyUse(sessions),
        rates=RateLimits(settings),
        health=health,
        metrics=registry,
    )


def _register(registry: CollectorRegistry, readers: SessionFactory, engine: Engine, health: Health) -> None:
    """Show what this process is and reaches, and the jobs of the whole service."""
    ProcessCollector(registry=registry)
    registry.register(BuildCollector("api"))
    registry.register(PoolCollector(engine, most=2 * POOL_SIZE))
    registry.register(ReachCollector(health))
    registry.register(JobCollector(readers))


def _database_url(settings: Settings) -> str:
    if settings.embedded_database:
        raise InvalidInputError(
            "DATABASE_URL is empty. Start everything with `make serve`, which brings a database along, or "
            "set DATABASE_URL to a Postgres.",
            "database_url",
        )
    return settings.database_url.get_secret_value()


def _broker_url(settings: Settings) -> str:
    if settings.embedded_broker:
        raise InvalidInputError(
            "BROKER_URL is empty. Start everything with `make serve`, which brings a broker along, or set "
            "BROKER_URL to a Redis or RabbitMQ.",
            "broker_url",
        )
    return settings.broker_url.get_secret_value()
