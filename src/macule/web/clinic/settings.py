"""What a deployment of the clinic may turn, read from MACULE_* variables by whoever starts the server."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, PositiveInt, SecretStr

from macule.web.settings import Settings


class ClinicSettings(Settings):
    """home: folder of everything that is not given its own place below.

    database, store: URLs; None is SQLite and a folder in `home`. key_file: where the keys are; None is `home`/keys.
    key: the key itself (base64, 32 bytes), for secrets that come by the environment; wins over the file.
    public_url: how browsers reach this server, for links; None takes it from the request.
    secure_cookies: False only for plain http on this machine. session_minutes: idle time after which a session ends.
    """

    home: Path = Path("macule-clinic")
    database: str | None = None
    store: str | None = None
    key_file: Path | None = None
    key: SecretStr | None = Field(default=None, repr=False)
    public_url: str | None = None
    secure_cookies: bool = True
    session_minutes: PositiveInt = 15

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.home / 'macule.db'}"

    @property
    def store_url(self) -> str:
        return self.store or str(self.home / "pictures")

    @property
    def keys_at(self) -> Path:
        return self.key_file or self.home / "keys"
