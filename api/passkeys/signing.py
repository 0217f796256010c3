"""Signing in with a passkey, and showing it again: each time the session gets a secret nobody knew before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from api.passkeys.ceremonies import Passkeys
from api.sessions import Sessions
from api.whence import whence
from archiver.store.schema import users
from archiver.vault import Vault
from search.access import Gate, NotSignedIn
from search.actors import PASSKEY, Actor, Role


class PasskeySignIn:
    """Sign-in and step-up of one archive. Safe from any thread."""

    def __init__(self, vault: Vault, gate: Gate, passkeys: Passkeys, sessions: Sessions) -> None:
        self._vault = vault
        self._records = vault.records
        self._gate = gate
        self._passkeys = passkeys
        self._sessions = sessions

    def begin(self, address: str) -> dict[str, Any]:
        """Options for signing in: the browser offers its passkeys for this host, and nobody types a name.

        Raises TooManyAttempts.
        """
        return self._passkeys.begin("sign_in", address=address)

    def sign_in(
        self,
        answer: Mapping[str, Any],
        *,
        previous: str | None = None,
        client: str = "desk",
        address: str = "",
        agent: str = "",
    ) -> tuple[Actor, str]:
        """Begin a session by a passkey; who it is, and the session's secret. Durable, and on record.

        The session that the browser had before ends. Raises PasskeyRefused, TooManyAttempts.
        """
        shown = self._passkeys.finish("sign_in", answer, client=client, address=address)
        with self._records.write() as connection:
            user = connection.execute(select(users).where(users.c.id == shown.user_id)).first()
            if user is None or user.disabled_us is not None:
                raise NotSignedIn("this account is disabled; ask an administrator")
            opened = self._sessions.open(
                connection,
                user.id,
                method=PASSKEY,
                client=client,
                address=address,
                agent=agent,
                verified_us=shown.at_us,
                previous=previous,
            )
        actor = Actor(
            user.id,
            user.name,
            Role(user.role),
            client,
            method=PASSKEY,
            verified_us=shown.at_us,
            session=opened.session_id,
            network=address,
        )
        return actor, opened.secret

    def begin_step_up(self, actor: Actor) -> dict[str, Any]:
        """Options for showing one's passkey again, for this very session."""
        return self._passkeys.begin("step_up", actor.user_id, session=actor.session)

    def step_up(self, actor: Actor, secret: str, answer: Mapping[str, Any]) -> str:
        """Take a fresh assertion; the session's new secret. Durable, and on record.

        Raises PasskeyRefused (also for another person's passkey), NotSignedIn, TooManyAttempts.
        """
        shown = self._passkeys.finish(
            "step_up",
            answer,
            user_id=actor.user_id,
            session=actor.session,
            client=actor.client,
            address=actor.network,
        )
        with self._records.write() as connection:
            opened = self._sessions.renew(connection, secret, verified_us=shown.at_us)
            event = self._gate.event(
                actor,
                "session.verify",
                "success",
                objects=(shown.passkey_id,),
                detail=whence(actor.network),
            )
            self._vault.audit.record_in(connection, event)
        return opened.secret
