"""The kinds of job: when each is due, in which lane it runs, and what it is for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Final, Literal

from apscheduler.triggers.cron import CronTrigger

from config.settings import Settings

Lane = Literal["watch", "holds", "searches", "upkeep"]
LANES: Final[tuple[Lane, ...]] = ("watch", "holds", "searches", "upkeep")
"""Jobs of one lane take turns; a run of hours in one keeps no other lane waiting."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of job. `crontab` is five fields, UTC; `at_start` queues it whenever a runner begins, too."""

    name: str
    crontab: str
    lane: Lane
    about: str
    at_start: bool = False

    def due_after(self, moment: datetime) -> datetime:
        """The first time the schedule names after a moment."""
        found = _trigger(self.crontab).get_next_fire_time(None, moment + timedelta(microseconds=1))
        assert isinstance(found, datetime)  # our schedules have no end
        return found.astimezone(UTC)


KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            Kind("coverage.watch", "* * * * *", "watch", "gaps, heartbeats, alerts, the daily report", True),
            Kind("holds.resume", "*/5 * * * *", "holds", "finish holds that wait for the index", True),
            Kind("holds.finish_cooling", "*/15 * * * *", "holds", "end holds that have cooled off", True),
            Kind("notices.run", "* * * * *", "holds", "hold notices, reminders, reviews; sends them", True),
            Kind("roster.follow", "* * * * *", "holds", "match mail to new names, date it anew", True),
            Kind("audit.follow", "* * * * *", "watch", "what reports ask of the audit log, its mails", True),
            Kind("audit.expire", "40 0 * * *", "upkeep", "end approved old details of the audit log"),
            Kind("audit.digest", "0 7 * * mon", "watch", "tell of reviews that nobody has signed"),
            # A lane of its own: a search of somebody's keeps no hold waiting, and no run of hours an alert.
            Kind("alerts.run", "* * * * *", "searches", "match new mail with saved searches, tell", True),
            Kind("cases.remind", "7 * * * *", "holds", "requests and breaches that come due: reminds", True),
            Kind("retention.recompute", "15 2 * * *", "upkeep", "bring disposal dates up to date", True),
            Kind("retention.propose", "0 6 * * mon", "upkeep", "propose what is due for disposition"),
            Kind("retention.preview", "20 1 * * *", "upkeep", "what asked-for changes of policy would do"),
            Kind(
                "disposition.resume", "*/5 * * * *", "upkeep", "finish executions that a stop cut short", True
            ),
            Kind("packs.compact", "0 1 * * *", "upkeep", "write packs anew without what was disposed of"),
            Kind("dictionary.train", "40 * * * *", "upkeep", "learn a compression dictionary", True),
            Kind("correction.learn", "25 * * * *", "upkeep", "learn from corrections, look at mail", True),
            Kind("message.reclassify", "50 1 * * *", "upkeep", "look at older mail with newer rules", True),
            Kind("store.scrub", "30 3 * * *", "upkeep", "read and unseal a part of all that is stored"),
            Kind("store.verify", "0 4 * * sun", "upkeep", "ledgers, rows and packs against one another"),
        )
    }
)


_DUE_LIST: Final = {"daily": "0 6 * * *", "weekly": "0 6 * * mon", "monthly": "0 6 1 * *"}


def kinds_of(settings: Settings) -> Mapping[str, Kind]:
    """The kinds of job of an archive with these settings."""
    kinds = dict(KINDS)
    propose = kinds.pop("retention.propose")
    if settings.due_list in _DUE_LIST:
        kinds[propose.name] = replace(propose, crontab=_DUE_LIST[settings.due_list])
    return kinds


@lru_cache(maxsize=64)
def _trigger(crontab: str) -> CronTrigger:
    return CronTrigger.from_crontab(crontab, timezone=UTC)
