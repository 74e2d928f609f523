"""What a deployment of the clinic may turn, read from MACULE_* variables by whoever starts the server."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, NonNegativeInt, PositiveInt, SecretStr

from macule.records.oidc import Registration
from macule.records.opening import HOME, Place
from macule.web.settings import Settings


class ClinicSettings(Settings):
    """home: folder of everything that is not given its own place below.

    database, store: URLs; None is SQLite and a folder in `home`. key_file: where the keys are; None is `home`/keys.
    key: the key itself (base64, 32 bytes), for secrets that come by the environment; wins over the file.
    public_url: how browsers reach this server, for links; None takes it from the request.
    secure_cookies: False only for plain http on this machine. session_minutes: idle time after which a session ends.
    uploads_per_minute: of one account; one address may send ten times as many.
    webhook_private: whether webhooks may lead to plain http and to addresses of the local network.
    oidc_*: the hospital's own sign-in (OpenID Connect). oidc_roles: {value of oidc_role_claim: our role}, as JSON in
    the environment; without a claim, people are invited before they can sign in.
    """

    #: With `at_once`, enough for 50 people who send at the same moment. Each may hold a picture in memory.
    waiting: NonNegativeInt = 48
    home: Path = HOME
    database: str | None = None
    store: str | None = None
    key_file: Path | None = None
    key: SecretStr | None = Field(default=None, repr=False)
    public_url: str | None = None
    secure_cookies: bool = True
    session_minutes: PositiveInt = 15
    uploads_per_minute: PositiveInt = 60
    webhook_private: bool = False
    oidc_issuer: str | None = None
    oidc_client_id: str = ""
    oidc_client_secret: SecretStr = Field(default=SecretStr(""), repr=False)
    oidc_role_claim: str | None = None
    oidc_roles: dict[str, str] = Field(default_factory=dict)

    @property
    def registration(self) -> Registration | None:
        if self.oidc_issuer is None:
            return None
        secret = self.oidc_client_secret.get_secret_value()
        return Registration(self.oidc_issuer, self.oidc_client_id, secret, self.oidc_role_claim, self.oidc_roles)

    @property
    def place(self) -> Place:
        key = self.key.get_secret_value() if self.key else None
        return Place(home=self.home, database=self.database, store=self.store, key_file=self.key_file, key=key)
