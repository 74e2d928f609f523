"""What the routes share: the settings, the analyzer and the gate before it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from starlette.requests import HTTPConnection, Request

from macule.analysis.judge import Judge
from macule.analysis.patient import Patient
from macule.analysis.result import Result
from macule.web import upload
from macule.web.faults import NotReady
from macule.web.gate import Gate
from macule.web.parts import Submission
from macule.web.settings import Settings

#: What a picture without a file name is called in its answer.
UNNAMED = "picture"


@dataclass
class Service:
    """One for each application. analyzer: None until the lifespan has loaded the model."""

    settings: Settings
    gate: Gate
    analyzer: Judge | None = None

    async def read(self, request: Request) -> Submission:
        return await upload.read(
            request, limit=self.settings.max_upload_bytes, timeout_s=self.settings.upload_timeout_s
        )

    async def analyze(self, picture: bytes, *, patient: Patient, name: str) -> Result:
        """Raises: NotReady, Busy, and what the analyzer raises."""
        analyzer = self.ready()
        return await self.gate.run(partial(analyzer.analyze, picture, patient=patient, name=name or UNNAMED))

    def ready(self) -> Judge:
        """Raises: NotReady before the model is there."""
        if self.analyzer is None:
            raise NotReady("the model is still being loaded; try again in a moment.")
        return self.analyzer


def service_of(connection: HTTPConnection) -> Service:
    service: Service = connection.app.state.service
    return service
