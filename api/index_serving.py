"""The index beside a server: mail goes into it as it comes, and a new one is built where one is due."""

from __future__ import annotations

import logging
import threading
from typing import Final

from api.app import App
from archiver.errors import ArchiverError
from config.errors import HoldfastError
from retention.acts import by_system
from search.errors import IndexLocked, IndexOutdated
from search.fresh_texts import FreshTexts
from search.rebuilding import Stopped

LOOK_SECONDS: Final = 2.0
"""How often it is looked whether an index is to be built."""
FAILED_SECONDS: Final = 60.0
log = logging.getLogger("holdfast")


class IndexServing:
    """The two threads of the role `index`, until `stop`."""

    def __init__(self, app: App, fresh: FreshTexts, stop: threading.Event) -> None:
        self._app = app
        self._fresh = fresh
        self._stop = stop

    def threads(self) -> list[threading.Thread]:
        """The threads, not started yet."""
        return [
            threading.Thread(target=self.index, name="index", daemon=True),
            threading.Thread(target=self.build, name="rebuild", daemon=True),
        ]

    def index(self) -> None:
        """Index whatever arrives; wait for the writer's lock if an import holds it just now.

        An index that was built beside the one in use is taken up in between, whoever built it.
        """
        said = ""
        while not self._stop.is_set():
            try:
                if self._app.rebuilder().take_up():
                    log.info("a new index is in use")
                writer = self._app.index_writer()
            except (IndexLocked, IndexOutdated, ArchiverError):
                self._stop.wait(0.5)
                continue
            except HoldfastError as error:
                if error.code != said:
                    log.error("mail can't be indexed now: %s; `holdfast doctor` says more", error.code)
                said = error.code
                self._stop.wait(1.0)
                continue
            said = ""
            try:
                self._app.indexer(writer, self._fresh).run(self._stop, hand_over=True)
            except HoldfastError as error:
                log.error("indexing stopped: %s", error.code)
                self._stop.wait(1.0)
            finally:
                writer.close()

    def build(self) -> None:
        """Build an index where none can be used, and go on with one that a killed process left half built."""
        rest = LOOK_SECONDS
        while not self._stop.wait(rest):
            rest = LOOK_SECONDS
            try:
                rebuilder = self._app.rebuilder()
                if not rebuilder.due():
                    continue
                log.warning("an index is being built from the archive")
                built = rebuilder.build(lambda *_: None, self._stop)
                self._app.vault.audit.record(by_system("index.rebuild", "success", count=built.total))
            except (IndexLocked, Stopped):
                continue
            except HoldfastError as error:
                log.error("building an index failed: %s; tried again in a minute", error.code)
                rest = FAILED_SECONDS
