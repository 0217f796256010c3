"""Checks an ID token: who signed it, for whom, in answer to which request, and how long ago."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from authlib.oidc.core import CodeIDToken
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from api import jose
from api.jose import JoseRefused
from api.sso.errors import SsoRefused
from archiver.clock import from_us

LEEWAY: Final = timedelta(seconds=60)
"""How far the provider's clock may be from ours."""
OLDEST: Final = timedelta(minutes=10)
"""A token is made for the code we have just given back; an older one was made for something else."""
MAX_SUBJECT: Final = 255
"""OpenID Connect Core 1.0, section 2."""
MAX_SESSION: Final = 4_096


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the token must say. `since` is when the person must have proved themselves at the earliest."""

    issuer: str
    client_id: str
    nonce: str
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Identified:
    """Who it is, by the provider's word, and how sure it says to be."""

    issuer: str
    subject: str
    auth_time: datetime | None
    acr: str
    amr: tuple[str, ...]
    sid: str

    def to_json(self) -> dict[str, Any]:
        """What is kept of it, sealed."""
        return {
            "auth_time": int(self.auth_time.timestamp()) if self.auth_time else None,
            "acr": self.acr,
            "amr": list(self.amr),
        }


def check(token: str, keys: KeySet, algorithms: tuple[str, ...], wanted: Wanted, now: datetime) -> Identified:
    """Who an ID token identifies. Raises SsoRefused with the reason, never with what stands in it.

    OpenID Connect Core 1.0, section 3.1.3.7; OWASP ASVS 5.0, 10.5.1, 10.5.2, 10.5.4.
    """
    try:
        read = jose.read(token, keys, algorithms)
    except JoseRefused as refused:
        raise _refused(refused.reason) from None
    claims = read.claims
    if read.header.get("typ", "JWT").lower() not in ("jwt", "application/jwt"):
        # Signed by the same keys: an access token (at+jwt) or a logout token must not serve as an ID token.
        raise _refused("bad_type")
    options: dict[str, Any] = {
        "iss": {"essential": True, "value": wanted.issuer},
        "sub": {"essential": True},
        "exp": {"essential": True},
        "iat": {"essential": True},
    }
    params = {"nonce": wanted.nonce, "client_id": wanted.client_id}
    seconds = int(now.timestamp())
    try:
        CodeIDToken(claims, read.header, options, params).validate(
            now=seconds, leeway=int(LEEWAY.total_seconds())
        )
    except JoseError as error:
        raise _refused(_reason(error)) from None
    except (TypeError, ValueError, AttributeError, OverflowError):
        raise _refused("bad_claim") from None
    # What Authlib leaves open: an audience that others share, an old token, a sign-in of long ago.
    if claims.get("aud") not in (wanted.client_id, [wanted.client_id]):
        raise _refused("bad_aud")
    if "nonce" not in claims:
        raise _refused("bad_nonce")
    if _moment(claims["iat"]) < now - OLDEST:
        raise _refused("old")
    subject = claims["sub"]
    if not subject or subject != _text(subject):
        raise _refused("bad_sub")
    auth_time = None if claims.get("auth_time") is None else _moment(claims["auth_time"])
    if auth_time is not None and auth_time > now + LEEWAY:
        raise _refused("bad_auth_time")
    if wanted.since is not None and (auth_time is None or auth_time < wanted.since - LEEWAY):
        raise _refused("not_fresh")
    sid = _text(claims.get("sid"), MAX_SESSION)
    return Identified(
        wanted.issuer, subject, auth_time, _text(claims.get("acr")), _texts(claims.get("amr")), sid
    )


def _refused(reason: str) -> SsoRefused:
    return SsoRefused("the sign-in provider's answer isn't one to this sign-in; begin it again", reason)


def _reason(error: JoseError) -> str:
    # The claim's name is ours to tell; an error's text may hold its value.
    claim = getattr(error, "claim", "")
    if error.error == "expired_token":
        return "expired"
    known = ("iss", "aud", "exp", "iat", "nbf", "nonce", "sub", "azp", "auth_time", "amr")
    return f"bad_{claim}" if claim in known else "bad_claim"


def _moment(value: object) -> datetime:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**40:
        raise _refused("bad_claim")
    return from_us(int(value * 1_000_000))


def _text(value: object, most: int = MAX_SUBJECT) -> str:
    # JSON can write halves of characters, which nothing here could keep.
    return value if isinstance(value, str) and value.isprintable() and len(value) <= most else ""


def _texts(value: object) -> tuple[str, ...]:
    return tuple(_text(item) for item in value[:20]) if isinstance(value, list) else ()
