"""What a deployment may turn, read from MACULE_* variables by whoever starts the server."""

from __future__ import annotations

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """bundle: name of the model, None for the one shipped. threads: of the network, None for its own choice.

    at_once: pictures analysed at the same time. waiting: pictures that may queue behind them before others get a 503.
    """

    model_config = SettingsConfigDict(env_prefix="MACULE_", frozen=True)

    host: str = "127.0.0.1"
    port: PositiveInt = 8000
    bundle: str | None = None
    threads: PositiveInt | None = None
    max_upload_bytes: PositiveInt = 25_000_000
    upload_timeout_s: PositiveFloat = 60.0
    at_once: PositiveInt = 2
    waiting: NonNegativeInt = 8
    retry_after_s: PositiveInt = 5
