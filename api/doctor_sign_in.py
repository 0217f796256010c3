"""What `doctor` says of signing in: passkeys, a second one for each officer, and the desk's address."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select

from api.doctor_doors import Finding
from api.errors import PasskeysImpossible
from api.issuing import sees_content
from api.passkeys import keeping
from api.passkeys.relying_party import relying_party
from archiver.store.schema import credentials, users
from archiver.vault import Vault
from search.actors import Role

_CONTROL = "164.312(d) person or entity authentication"


def sign_in_findings(vault: Vault) -> Iterator[Finding]:
    """Every finding about signing in."""
    yield (
        _CONTROL,
        vault.settings.passkeys == "required",
        "whoever works at the desk has a passkey",
        "passkeys are optional: a link alone opens the desk; set passkeys to required",
    )
    try:
        relying_party(vault.settings)
        possible = True
    except PasskeysImpossible:
        possible = False
    yield (
        _CONTROL,
        possible,
        "the desk's address is a name, for which browsers make passkeys",
        "the desk's address is an IP number, for which browsers make no passkeys; set public_url to a name",
    )
    with vault.records.read() as connection:
        counts = keeping.counts(connection)
        people = connection.execute(
            select(users.c.id, users.c.role)
            .where(
                users.c.disabled_us.is_(None),
                # Programs have tokens alone: whoever was ever given a link is a person.
                users.c.id.in_(
                    select(credentials.c.user_id).where(credentials.c.kind.in_(("link", "session")))
                ),
            )
            .order_by(users.c.created_us)
        ).all()
    officers = [row.id for row in people if sees_content(Role(row.role))]
    single = [user for user in officers if counts.get(user, 0) == 1]
    yield (
        _CONTROL,
        not single,
        "everybody who sees content has a second passkey, or none yet",
        f"{len(single)} who see content have one passkey only, and are locked out when they lose it: "
        f"{', '.join(single[:5])}; they add another on their page Account",
    )
