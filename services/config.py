"""Every setting of the service, read from the environment or an ``.env`` file.

An empty `database_url`, `broker_url` or `object_store_url` means the embedded engine; see
``.env.example`` for each setting with its meaning.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from services.addresses import CounterUrl, Endpoint, Hosts, Origins, Proxies
from services.errors import InvalidInputError
from services.secret_files import SecretFiles
from services.webhooks.addresses import networks_of
from services.webhooks.schedule import pauses_of
from services.webhooks.signing import checked_key

MAX_BACKOFF_S = 86_400
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


class Settings(BaseSettings):
    """Validated settings; construct through `load_settings`."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        # A wrong setting is named; what it was set to may be a secret.
        hide_input_in_errors=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read secrets from files, too, after the environment and before ``.env``."""
        del file_secret_settings
        return init_settings, env_settings, SecretFiles(settings_cls), dotenv_settings

    # Where things are
    data_dir: Path = Field(Path("var"), description="Folder of the embedded engines and objects.")
    database_url: SecretStr = Field(SecretStr(""), description="postgresql+psycopg://… or empty.")
    broker_url: SecretStr = Field(SecretStr(""), description="redis://… or amqp://…, or empty.")
    object_store_url: str = Field("", description="file:///…, s3://bucket/prefix, memory:///, or empty.")
    object_store_public_endpoint: Endpoint = Field("", description="Where clients reach an S3 store.")

    # HTTP
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65535)
    require_api_key: bool = Field(default=False, description="Forced when `host` is not loopback.")
    bootstrap_admin_key: SecretStr = Field(SecretStr(""), description="Creates the first admin key.")
    idempotency_hours: int = Field(48, ge=24)
    poll_after_s: int = Field(2, ge=1, description="Retry-After of a 202 answer.")

    # Who may come, and how often
    rate_limit_per_minute: int = Field(6000, ge=0, description="Requests of one API key; 0: no limit.")
    auth_failures_per_minute: int = Field(20, ge=0, description="Wrong keys of one address; 0: no limit.")
    rate_limit_storage_url: CounterUrl = Field(SecretStr(""), description="redis://…; empty: each process.")
    forwarded_allow_ips: Proxies = Field("127.0.0.1,::1", description="Proxies whose word counts.")
    allowed_hosts: Hosts = Field("", description="Names that a Host header may have; empty: any.")
    cors_origins: Origins = Field("", description="Pages that a browser lets call; empty: none.")

    # Bounds of an upload
    max_upload_bytes: int = Field(2 * 1024**3, gt=0)
    max_file_bytes: int = Field(512 * 1024**2, gt=0)
    max_files_per_batch: int = Field(2000, gt=0)
    max_image_pixels: int = Field(150_000_000, gt=0)
    max_batch_decoded_bytes: int = Field(
        128 * 1024**3, gt=0, description="Pixels of all files of a batch together, decoded."
    )
    max_zip_bytes: int = Field(4 * 1024**3, gt=0, description="Sum of a ZIP's unpacked members.")

    # Jobs
    lease_s: int = Field(60, ge=3, description="A worker that is silent for longer has lost its job.")
    sweep_interval_s: float = Field(5.0, gt=0)
    redispatch_after_s: int = Field(15, ge=1, description="A queued job unsent for longer is re-sent.")
    job_max_attempts: int = Field(6, ge=1)
    retry_backoff_s: float = Field(5.0, ge=0, description="Doubles with every attempt.")
    checkpoint_every_s: float = Field(60.0, ge=0, description="How often a training keeps its state.")
    yield_after_s: float = Field(5.0, ge=0, description="A job that waits longer may displace another.")
    min_turn_s: float = Field(30.0, ge=0, description="No running job is displaced earlier.")
    time_slice_s: float = Field(300.0, ge=0, description="Then jobs of the same priority come first.")
    gpu_queue: str = "gpu"
    cpu_queue: str = "cpu"

    # Webhooks
    webhook_key: Annotated[SecretStr, AfterValidator(checked_key)] = Field(
        SecretStr(""), description="Makes every webhook's secret; empty: no webhooks."
    )
    webhook_allowed_networks: str = Field("", description="CIDRs inside the lab that may be called.")
    webhook_timeout_s: float = Field(15.0, gt=0, le=60, description="For one message, connecting included.")
    webhook_pauses_s: str = Field(
        "5,300,1800,7200,18000,36000,50400,72000,86400", description="Between attempts at a message."
    )

    # Computing
    device: Literal["auto", "cpu", "cuda"] = "auto"
    torch_threads: int = Field(0, ge=0, description="0 lets torch decide.")
    model_cache_size: int = Field(4, ge=1, description="Networks kept loaded per worker process.")

    # Observability
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "console"] = "json"
    worker_metrics_port: int = Field(0, ge=0, le=65535, description="0: workers expose no metrics.")
    sweeper_metrics_port: int = Field(0, ge=0, le=65535, description="0: the sweeper exposes no metrics.")
    heartbeat_file: str = Field("", description="Touched by the sweeper at every turn; empty: none.")

    @property
    def keys_required(self) -> bool:
        """Whether requests must carry an API key."""
        return self.require_api_key or self.host not in LOOPBACK_HOSTS

    @property
    def embedded_database(self) -> bool:
        """Whether Postgres is ours to start."""
        return not self.database_url.get_secret_value()

    @property
    def embedded_broker(self) -> bool:
        """Whether Redis is ours to start."""
        return not self.broker_url.get_secret_value()

    @property
    def store_url(self) -> str:
        """The object store, a folder below `data_dir` by default."""
        return self.object_store_url or (self.data_dir.resolve() / "objects").as_uri()

    @field_validator("webhook_allowed_networks")
    @classmethod
    def _are_networks(cls, text: str) -> str:
        networks_of(text)
        return text

    @field_validator("webhook_pauses_s")
    @classmethod
    def _are_pauses(cls, text: str) -> str:
        pauses_of(text)
        return text

    @model_validator(mode="after")
    def _backoff_is_shorter_than_a_day(self) -> Settings:
        if self.retry_backoff_s * 2**self.job_max_attempts > MAX_BACKOFF_S:
            raise ValueError("retry_backoff_s and job_max_attempts together wait for more than a day.")
        return self


def load_settings() -> Settings:
    """Read the environment once; callers pass the result on.

    Raises
    ------
    InvalidInputError
        A setting has a value that cannot be; the message names each.
    """
    try:
        return Settings()  # type: ignore[call-arg, unused-ignore]
    except ValidationError as error:
        wrong = [
            f"{str(one['loc'][0]).upper() + ': ' if one['loc'] else ''}{one['msg']}"
            for one in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        told = " ".join(f"{one.rstrip(chr(46))}." for one in wrong)
        raise InvalidInputError(f"The settings are wrong. {told} See .env.example.") from None
