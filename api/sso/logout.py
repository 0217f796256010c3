"""Checks a logout token: the provider's word that somebody left.

OpenID Connect Back-Channel Logout 1.0, section 2.6.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from api import jose
from api.jose import JoseRefused
from api.sso.errors import SsoRefused
from api.sso.flow import kid_of
from api.sso.id_token import LEEWAY
from api.sso.provider import Provider
from archiver.clock import from_us

EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
LIFE: Final = timedelta(minutes=2)
"""How old one may be, as the specification recommends; its `jti` is remembered for longer."""


@dataclass(frozen=True, slots=True)
class Left:
    """Who left: one session of the provider's (`sid`), or all of a person's."""

    issuer: str
    subject: str
    sid: str
    jti: str


def check_logout(token: str, provider: Provider, now: datetime) -> Left:
    """Who a logout token says left. Raises SsoRefused with the reason, SsoOff, SsoUnavailable."""
    metadata = provider.metadata()
    try:
        read = jose.read(token, provider.keys(kid_of(token)), metadata.algorithms)
    except JoseRefused as refused:
        raise _refused(refused.reason) from None
    claims = read.claims
    # An ID token is signed by the same keys: nobody who has seen one may end sessions with it.
    if str(read.header.get("typ", "logout+jwt")).lower() not in ("logout+jwt", "application/logout+jwt"):
        raise _refused("bad_type")
    if claims.get("iss") != metadata.issuer:
        raise _refused("bad_iss")
    if claims.get("aud") not in (provider.client_id, [provider.client_id]):
        raise _refused("bad_aud")
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict) or "nonce" in claims:
        raise _refused("bad_event")
    issued, expires = _moment(claims.get("iat")), _moment(claims.get("exp"))
    if not issued - LEEWAY <= now < min(expires, issued + LIFE) + LEEWAY:
        raise _refused("expired")
    subject, sid, jti = (_text(claims.get(name)) for name in ("sub", "sid", "jti"))
    if not jti or not (subject or sid):
        raise _refused("bad_claim")
    return Left(metadata.issuer, subject, sid, jti)


def _refused(reason: str) -> SsoRefused:
    return SsoRefused("this logout token isn't one for this archive", f"logout_{reason}")


def _moment(value: object) -> datetime:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**40:
        raise _refused("bad_claim")
    return from_us(int(value * 1_000_000))


def _text(value: object) -> str:
    return value if isinstance(value, str) and value.isprintable() and len(value) <= 4_096 else ""
