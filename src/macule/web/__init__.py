"""The web page and the HTTP interface. Thin: requests in, `analysis` called, templates out."""

from macule.web.app import create_app
from macule.web.settings import Settings

__all__ = ["Settings", "create_app"]
