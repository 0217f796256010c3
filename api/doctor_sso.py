"""What `doctor` says of single sign-on: our own proof, the provider's documents, and the two clocks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from api.doctor_doors import Finding
from api.sso.errors import SsoError
from api.sso.id_token import LEEWAY
from api.sso.provider import RETURN_PATH, Provider
from archiver.clock import Clock
from config.settings import Settings

_CONTROL: Final = "164.312(d) single sign-on"
_CLOSE: Final = LEEWAY / 2
"""From here on clocks that drift will soon refuse sign-ins."""


def sso_findings(settings: Settings, provider: Provider, clock: Clock) -> Iterator[Finding]:
    """Every finding about single sign-on, where a provider is set. Asks the provider, as a sign-in would."""
    if not provider.on:
        return
    fault, by_key = "", False
    try:
        by_key = provider.check_own_proof()
    except SsoError as error:
        fault = str(error)
    yield (
        _CONTROL,
        not fault,
        "this archive proves itself to the provider by a key of its own"
        if by_key
        else "this archive proves itself to the provider by a secret; a key (oidc_client_key) is never "
        "sent, and so never stolen on the way",
        fault,
    )
    try:
        metadata, theirs = provider.look()
        provider.keys(None)
    except SsoError as error:
        yield (_CONTROL, False, "", f"{error}; people sign in with their passkeys meanwhile")
        return
    wanted = "private_key_jwt" if by_key else "client_secret_"
    known = not metadata.client_methods or any(one.startswith(wanted) for one in metadata.client_methods)
    pushed = "; requests are handed in beforehand" if metadata.push_endpoint else ""
    yield (
        _CONTROL,
        known,
        f"the provider answers, and its keys can be used{pushed}; it must know {settings.url}{RETURN_PATH}",
        f"the provider takes {', '.join(metadata.client_methods[:6])} alone: set "
        f"{'oidc_client_secret' if by_key else 'oidc_client_key'} instead",
    )
    if theirs is None:
        return
    apart = abs((clock.now() - theirs).total_seconds())
    yield (
        _CONTROL,
        apart <= _CLOSE.total_seconds(),
        "the provider's clock and ours agree",
        f"the provider's clock and ours are {apart:,.0f} seconds apart; past {LEEWAY.total_seconds():.0f} "
        "nobody can sign in: let both keep time (NTP)",
    )
