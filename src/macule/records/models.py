"""The model behind the clinic: loaded when it is first needed, and looked for again while it is missing."""

from __future__ import annotations

import threading

from macule.analysis.judge import Judge


class LoadedModel:
    """A model that is there already."""

    def __init__(self, analyzer: Judge) -> None:
        self._analyzer = analyzer

    def current(self) -> Judge:
        return self._analyzer


class LazyModel:
    """One bundle by name or folder. A failure is not remembered, so a bundle that is put back is found."""

    def __init__(self, bundle: str | None, *, threads: int | None = None) -> None:
        self._name, self._threads = bundle, threads
        self._analyzer: Judge | None = None
        self._loading = threading.Lock()

    def current(self) -> Judge:
        with self._loading:
            if self._analyzer is None:
                from macule.analysis import bundle  # here: the network runtime is slow to import
                from macule.analysis.pipeline import Analyzer

                self._analyzer = Analyzer(bundle.load(self._name), threads=self._threads)
            return self._analyzer
