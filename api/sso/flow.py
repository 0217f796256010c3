"""Takes a browser to the provider and back: OpenID Connect's code flow with PKCE, a nonce and a bound state.

What a sign-in that is under way needs to remember lies sealed in a cookie of the browser it was begun in;
here is only what has come back already, so that it comes back once. A stolen code is of no use without that
cookie, nor is a foreign code in it: state, nonce and verifier are all of this one sign-in.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import delete

from api.jose import JoseRefused, unverified_header
from api.sso.errors import SsoRefused
from api.sso.id_token import Identified, Wanted, check
from api.sso.provider import Provider
from archiver.clock import from_us, to_us
from archiver.errors import AlreadyThere, SealError
from archiver.seal.container import open_sealed, seal
from archiver.seal.context import object_context
from archiver.store.schema import sso_returns
from archiver.vault import Vault

Kind = Literal["sign_in", "join", "step_up"]
"""A sign-in; one that also links the identity to the user of an invitation; one that proves somebody anew."""

LIFE: Final = timedelta(minutes=10)
_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Pending:
    """A sign-in under way. `about` is an invitation's code (join), or the id of the session it replaces."""

    kind: Kind
    state: str
    nonce: str
    verifier: str
    began_us: int
    about: str = ""


@dataclass(frozen=True, slots=True)
class Begun:
    """Where the browser goes, and the cookie it takes along."""

    url: str
    cookie: str


class Flow:
    """The way there and back. Safe from any thread and any number of processes."""

    def __init__(self, vault: Vault, provider: Provider) -> None:
        self._vault = vault
        self._provider = provider

    def begin(self, kind: Kind = "sign_in", about: str = "") -> Begun:
        """Begin a sign-in. Nothing is written. Raises SsoOff, SsoUnavailable, SsoRefused (bad discovery)."""
        state, nonce, verifier = (secrets.token_urlsafe(_BYTES) for _ in range(3))
        pending = Pending(kind, state, nonce, verifier, to_us(self._vault.clock.now()), about)
        more: dict[str, str] = {}
        if kind == "step_up":
            # The person proves themselves now: a provider's session of this morning isn't enough.
            more = {"max_age": "0", "prompt": "login"}
            if self._vault.settings.oidc_step_up_acr:
                more["acr_values"] = " ".join(self._vault.settings.oidc_step_up_acr)
        url = self._provider.authorization_url(state, nonce, verifier, **more)
        return Begun(url, self._sealed(pending))

    def finish(self, query: Mapping[str, str], cookie: str | None) -> tuple[Pending, Identified]:
        """Who came back, by the provider's word. A sign-in comes back once: durably, before its code is used.

        `query` is what the provider's redirection brought. Raises SsoRefused, SsoUnavailable.
        """
        pending = self._opened(cookie)
        now = self._vault.clock.now()
        if pending is None:
            raise _again("no_cookie")
        if not hmac.compare_digest(pending.state.encode(), query.get("state", "").encode("utf-8", "replace")):
            raise _again("bad_state")
        if not from_us(pending.began_us) - timedelta(minutes=1) <= now < from_us(pending.began_us) + LIFE:
            raise _again("too_late")
        self._once(f"state {pending.state}", now)
        metadata = self._provider.metadata()
        told = query.get("iss")
        if (told is None and metadata.names_issuer) or (told is not None and told != metadata.issuer):
            raise _again("bad_iss_parameter")
        if "error" in query or not query.get("code"):
            raise SsoRefused(
                "the sign-in provider didn't sign you in; try again, or ask who runs it", "declined"
            )
        token = self._provider.exchange(query["code"], pending.verifier)
        wanted = Wanted(
            metadata.issuer,
            self._provider.client_id,
            pending.nonce,
            from_us(pending.began_us) if pending.kind == "step_up" else None,
        )
        keys = self._provider.keys(kid_of(token))
        return pending, check(token, keys, metadata.algorithms, wanted, now)

    def once(self, what: str) -> None:
        """Take note of something that may come once. Durable on return. Raises SsoRefused the second time."""
        self._once(what, self._vault.clock.now())

    # --- inside -------------------------------------------------------------------------------

    def _once(self, what: str, now: datetime) -> None:
        hashed = hashlib.sha256(what.encode("utf-8", "replace")).digest()
        try:
            with self._vault.records.write() as connection:
                connection.execute(delete(sso_returns).where(sso_returns.c.expires_us <= to_us(now)))
                connection.execute(
                    # Twice as long as it could be good, so that a clock set back by minutes opens nothing.
                    sso_returns.insert().values(hash=hashed, expires_us=to_us(now + 2 * LIFE))
                )
        except AlreadyThere:
            raise _again("replayed") from None

    def _context(self) -> bytes:
        return object_context(self._vault.archive_id, "sso-flow", "field")

    def _sealed(self, pending: Pending) -> str:
        told = json.dumps(
            [pending.kind, pending.state, pending.nonce, pending.verifier, pending.began_us, pending.about]
        )
        sealed = seal(self._vault.keyring.branch_key("sign-in"), self._context(), told.encode())
        return base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def _opened(self, cookie: str | None) -> Pending | None:
        if not cookie or len(cookie) > 4_096:
            return None
        try:
            sealed = base64.b64decode(cookie + "=" * (-len(cookie) % 4), b"-_", validate=True)
            told: Any = json.loads(
                open_sealed(self._vault.keyring.branch_key("sign-in"), self._context(), sealed)
            )
        except (binascii.Error, ValueError, SealError):
            return None
        return Pending(*told)


def kid_of(token: str) -> str | None:
    """Which of the provider's keys a token says it was signed with. Raises SsoRefused."""
    try:
        kid = unverified_header(token).get("kid")
    except JoseRefused as refused:
        raise _again(refused.reason) from None
    return kid if isinstance(kid, str) else None


def _again(reason: str) -> SsoRefused:
    return SsoRefused(
        "this sign-in was begun in another browser, took too long or was used already; begin it again", reason
    )
