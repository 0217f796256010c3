"""A small finished archive to be damaged: imported and journalled mail, a hold, both logs published."""

from __future__ import annotations

from collections.abc import Sequence

from api.app import App, initialise
from archiver.capture.ports import Arrival
from archiver.store import tokens
from search.access import Actor, Purpose, Role
from tests.support.holdfast import Home
from tests.support.mail import numbered

REPORT = (
    b"From: <>\r\nX-MS-Journal-Report:\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="b1"\r\n\r\n--b1\r\nContent-Type: text/plain\r\n\r\n'
    b"Sender: sender1@clinic.example\r\nSubject: x\r\nMessage-Id: <m1@clinic.example>\r\n"
    b"Bcc: counsel@law.example\r\n\r\n--b1\r\nContent-Type: message/rfc822\r\n\r\n"
    + numbered(1, stream="journalled")
    + b"\r\n--b1--\r\n"
)


def fill(home: Home, messages: int = 300) -> list[str]:
    """Make the archive in `home`, closed again when this returns; the ids of its messages.

    Both logs get more than one full tile. The last message was delivered twice.
    """
    initialise(home.settings)
    with home.app() as app:
        source = app.vault.sources.add("import", "desk").id
        feed = app.vault.sources.add("journal", "feed").id
        arrivals = [Arrival(numbered(n, stream="golden"), source, "Inbox") for n in range(messages)]
        ids = store(app, [*arrivals, Arrival(REPORT, feed), arrivals[-1]])
        officer = app.accounts.add_user("carol", Role.COMPLIANCE_OFFICER)
        actor = Actor(officer.id, officer.name, officer.role, "test")
        matter = app.matters.create(actor, "golden matter")
        app.holds.create(actor, matter["id"], custodians=["sender1@clinic.example"])
        for id_ in ids[:260]:
            app.room.open(actor, Purpose.AUDIT, id_)
        app.publish()
        tokens.file(app.vault.records, 1)
    return list(dict.fromkeys(ids))


def store(app: App, arrivals: Sequence[Arrival]) -> list[str]:
    """Commit and index; the id of each."""
    with app.intake(None) as intake:
        futures = [intake.submit(arrival) for arrival in arrivals]
        ids = [future.result(200).id for future in futures]
    with app.indexing() as indexing:
        assert indexing is not None
        indexing[0].drain()
    return ids
