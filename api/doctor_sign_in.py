"""What `doctor` says of signing in: passkeys, where they lie, a second one for each officer, and programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from sqlalchemy import Connection, or_, select

from api.doctor_doors import Finding
from api.errors import PasskeysImpossible
from api.issuing import sees_content
from api.passkeys import keeping
from api.passkeys.attesting import models_of
from api.passkeys.relying_party import relying_party
from archiver.clock import to_us
from archiver.sealed_fields import SealedFields
from archiver.store.schema import api_tokens, credentials, identities, passkeys, users
from archiver.vault import Vault
from search.actors import Action, Role
from search.policy import roles_with

_CONTROL: Final = "164.312(d) person or entity authentication"
NAMED: Final = 5


def sign_in_findings(vault: Vault) -> Iterator[Finding]:
    """Every finding about signing in."""
    yield (
        _CONTROL,
        vault.settings.passkeys != "optional",
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
        alone = _appointing_alone(connection, to_us(vault.clock.now()))
        theirs = {row.id: keeping.of_user(connection, row.id) for row in people}
    fields, settings = SealedFields(vault), vault.settings
    good = {
        user: sum(keeping.let_in(fields, settings, one) for one in found) for user, found in theirs.items()
    }
    single = [row.id for row in people if sees_content(Role(row.role)) and good[row.id] == 1]
    yield (
        _CONTROL,
        not single,
        "everybody who sees content has a second passkey, or none yet",
        f"{len(single)} who see content have one passkey only, and are locked out when they lose it: "
        f"{_named(single)}; they add another on their page Account",
    )
    yield (
        "164.308(a)(4) information access management",
        not alone,
        "nobody can give a role that sees content without a second person, but the operator",
        "administrators who have a token and no passkey can give roles that see content, with no second "
        f"person: {_named(alone)}; make such a token anew for less (`users token --scope`), or let them sign "
        "in with a passkey",
    )
    if settings.passkey_models:
        models = set(settings.passkey_models)
        unvouched = [
            user
            for user, found in theirs.items()
            if found and not any(keeping.model_in(fields, one) in models for one in found)
        ]
        yield from _hardware(vault, unvouched)


def _hardware(vault: Vault, unvouched: Sequence[str]) -> Iterator[Finding]:
    try:
        models_of(vault.settings)
        fault = ""
    except PasskeysImpossible:
        fault = "no passkey can be made: the file of the setting passkey_makers holds no certificates (PEM)"
    yield _CONTROL, not fault, "the makers' roots of the security keys can be read", fault
    if vault.settings.passkeys == "hardware":
        yield (
            _CONTROL,
            not vault.settings.oidc_issuer,
            "nobody signs in but by a security key of a listed model",
            "single sign-on lets people in as strongly as its provider does, with a listed security key or "
            "without; leave oidc_issuer empty where AAL3 is asked for",
        )
    then = "can't sign in" if vault.settings.passkeys == "hardware" else "could not, were passkeys hardware"
    yield (
        _CONTROL,
        not unvouched,
        "everybody who has a passkey has one on a security key of a listed model",
        f"{len(unvouched)} have no passkey on a security key of a listed model, and {then}: "
        f"{_named(unvouched)}; they add one on their page Account, or by a link (`users link NAME`)",
    )


def _appointing_alone(connection: Connection, now_us: int) -> list[str]:
    """Users who work by tokens alone and can add users: nobody asks a second person of them."""
    managers = [str(role) for role in roles_with(Action.USER_MANAGE)]
    living = (
        select(credentials.c.user_id)
        .outerjoin(api_tokens, api_tokens.c.hash == credentials.c.hash)
        .where(
            credentials.c.kind == "api",
            credentials.c.revoked_us.is_(None),
            credentials.c.expires_us > now_us,
            or_(api_tokens.c.actions.is_(None), api_tokens.c.actions.contains(str(Action.USER_MANAGE))),
        )
    )
    found = (
        select(users.c.id)
        .where(
            users.c.disabled_us.is_(None),
            users.c.role.in_(managers),
            users.c.id.in_(living),
            users.c.id.not_in(select(passkeys.c.user_id)),
            users.c.id.not_in(select(identities.c.user_id)),
        )
        .order_by(users.c.created_us)
    )
    return list(connection.scalars(found))


def _named(people: Sequence[str]) -> str:
    return ", ".join(people[:NAMED]) + (" and others" if len(people) > NAMED else "")
