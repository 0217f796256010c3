"""Makes the exhibits of this museum: `python -m tests.museum.stores.make`, once for each store format.

An exhibit of a released format is never made anew: it stands for the homes that are out there.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
import sys
import tarfile
import tempfile
from contextlib import closing
from email.message import EmailMessage
from pathlib import Path

from api.app import initialise
from archiver.capture.ports import Arrival
from search.access import Actor, Purpose, Role
from tests.support.damage import flip
from tests.support.golden import REPORT, store
from tests.support.holdfast import Home
from tests.support.mail import numbered

HERE = Path(__file__).parent
VERSION = 3
MESSAGES = 20
SHARED = 3
"""Messages with one and the same attachment (from format 2 on), the last of which came in a report."""
SETTINGS = {"HOLDFAST_JURISDICTIONS": "NY"}


def long_due() -> bytes:
    """The message that was disposed of before the exhibit was closed."""
    return (
        b"From: cafe@clinic.example\r\nTo: all@clinic.example\r\nSubject: menu 99\r\n"
        b"Date: Tue, 06 Feb 2001 10:00:00 +0000\r\n\r\nToday there is pea soup.\r\n"
    )


def shared(number: int) -> bytes:
    """A message with the attachment that several have: part of it stands once in the store."""
    message = EmailMessage()
    message["From"] = "lab@clinic.example"
    message["To"] = f"ward{number}@clinic.example"
    message["Subject"] = f"scan {number}"
    message["Date"] = "Tue, 06 Feb 2024 10:00:00 +0000"
    message.set_content("the common exhibit is attached\n")
    data = random.Random(2).randbytes(6_000)
    message.add_attachment(data, maintype="application", subtype="octet-stream", filename="scan.bin")
    message.set_boundary(f"=_{number}")
    return message.as_bytes().replace(b"\n", b"\r\n")


def report_of(original: bytes) -> bytes:
    """A journal report that encloses a message."""
    told = REPORT.replace(b"counsel@law", b"records@law")
    return told.replace(numbered(1, stream="journalled"), original)


def build(home: Home) -> None:
    """A home with imported and journalled mail, a duplicate, a shared part, a hold, an export, a disposal."""
    initialise(home.settings)
    with home.app() as app:
        users = [app.accounts.add_user(name, Role.COMPLIANCE_OFFICER) for name in ("carol", "dora")]
        first, second = (Actor(user.id, user.name, user.role, "museum") for user in users)
        desk = app.vault.sources.add("import", "desk").id
        feed = app.vault.sources.add("journal", "feed").id
        arrivals = [Arrival(numbered(n, stream="museum"), desk, "Inbox") for n in range(MESSAGES)]
        due = Arrival(long_due(), desk, attested_by="the museum")
        common = [Arrival(shared(n), desk) for n in range(SHARED - 1)]
        common.append(Arrival(report_of(shared(SHARED - 1)), feed))
        ids = store(app, [*arrivals, Arrival(REPORT, feed), arrivals[0], due, *common])
        matter = app.matters.create(first, "museum matter")
        app.holds.create(first, matter["id"], custodians=["sender1@clinic.example"])
        app.exports.create(first, Purpose.LEGAL, matter=matter["id"])
        app.room.open(first, Purpose.AUDIT, ids[0])
        found = app.runs.run(None)
        app.dispositions.approve(first, found["disposition"])
        app.dispositions.execute(second, found["disposition"])
        app.publish()


def pack(base: Path, name: str) -> None:
    """Write an exhibit: key and home, without the index, which is derived and large."""
    with tarfile.open(HERE / f"{name}-v{VERSION}.tar.gz", "w:gz") as archive:
        for part in ("keys", "home"):
            archive.add(base / part, part, filter=_keep)


def _keep(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return None if member.name in ("home/index", "home/spool", "home/tls") else member


def main() -> int:
    """Make all exhibits of this format."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder, "golden"), extra=SETTINGS)
        build(home)
        pack(home.base, "golden")

        flipped = Path(folder, "flipped")
        shutil.copytree(home.base, flipped)
        (blobs,) = (flipped / "home" / "packs").glob("*.pack")
        with closing(sqlite3.connect(flipped / "home" / "records.db")) as records:
            ((offset,),) = records.execute("SELECT pack_offset FROM parts").fetchall()
        flip(blobs, offset + 1_000)
        pack(flipped, "flipped-part")

        # The database of an earlier day beside the published logs of today: what a rollback leaves.
        rolled_back = Path(folder, "rolled-back")
        shutil.copytree(home.base, rolled_back)
        with home.app() as app:
            source = app.vault.sources.by_name("desk")
            assert source is not None
            store(app, [Arrival(numbered(n, stream="late"), source.id) for n in range(3)])
            app.publish()
        shutil.rmtree(rolled_back / "home" / "ledger")
        shutil.copytree(home.home / "ledger", rolled_back / "home" / "ledger")
        pack(rolled_back, "rolled-back-records")
    return 0


if __name__ == "__main__":
    sys.exit(main())
