"""The OpenID provider: its addresses (discovery), its keys, and the exchange of a code for an ID token.

Authlib makes the requests, `fetch` sends them. What the provider's tokens are for, nobody here wants: the
access token is forgotten unread, and the ID token as soon as it is checked (OWASP ASVS 5.0, 10.1.1).
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from authlib.common.urls import add_params_to_uri
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.client import OAuth2Client
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from api import jose
from api.jose import ASYMMETRIC
from api.sso.errors import SsoOff, SsoRefused, SsoUnavailable
from api.sso.fetch import Answer, Fetcher
from archiver.capture.secrets import read_secret
from archiver.errors import CaptureError
from config.settings import Settings
from config.sso import is_safe

RETURN_PATH: Final = "/sso/return"
FRESH: Final = 3_600.0
"""Seconds for which the provider's documents are taken as they were."""
AT_MOST_EVERY: Final = 60.0
"""Seconds between two looks for a key that isn't known: anybody can name one in a token."""
ASSERTION_SECONDS: Final = 60
MAX_REFERENCE: Final = 2_000
_BY_HEADER: Final = "client_secret_basic"
_CURVES: Final = {"EC": "P-256", "OKP": "Ed25519"}
_OURS: Final = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}


@dataclass(frozen=True, slots=True)
class Metadata:
    """What the provider says of itself (OpenID Connect Discovery 1.0, section 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    algorithms: tuple[str, ...]
    names_issuer: bool
    """RFC 9207: every answer to a browser says whose it is."""
    push_endpoint: str = ""
    """RFC 9126: where a request is handed in, so that the browser carries but a reference to it."""
    client_methods: tuple[str, ...] = ()
    """How clients may prove themselves; empty where the provider doesn't say."""


class Provider:
    """The one provider of this archive. Safe from any thread."""

    def __init__(
        self,
        settings: Settings,
        fetcher: Fetcher | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._fetcher = fetcher or Fetcher()
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._metadata: tuple[Metadata, float] | None = None
        self._keys: tuple[KeySet, float] | None = None

    @property
    def on(self) -> bool:
        """True where a provider is set."""
        return bool(self._settings.oidc_issuer)

    @property
    def issuer(self) -> str:
        """The issuer set. Raises SsoOff."""
        if not self.on:
            raise SsoOff(
                "single sign-on isn't set up here; use a passkey, or ask an administrator for a link"
            )
        return self._settings.oidc_issuer

    @property
    def client_id(self) -> str:
        """What the provider knows this archive as."""
        return self._settings.oidc_client_id

    def metadata(self) -> Metadata:
        """The provider's own description. Raises SsoOff, SsoUnavailable, SsoRefused (another issuer's)."""
        with self._lock:
            known = self._metadata
            if known is not None and self._monotonic() - known[1] < FRESH:
                return known[0]
        return self.look()[0]

    def look(self) -> tuple[Metadata, datetime | None]:
        """The same asked for anew, and the provider's clock, where it tells. Raises the same."""
        address = f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"
        document, at = self._fetcher.get_dated_json(address)
        found = _metadata(document, self.issuer)
        with self._lock:
            self._metadata = (found, self._monotonic())
        return found, at

    def keys(self, kid: str | None) -> KeySet:
        """The provider's public keys, asked for anew when `kid` isn't among those known."""
        now = self._monotonic()
        with self._lock:
            known = self._keys
        if known is not None:
            age = now - known[1]
            named = kid is None or any(key.kid == kid for key in known[0].keys)
            if age < (FRESH if named else AT_MOST_EVERY):
                return known[0]
        keys = _usable(self._fetcher.get_json(self.metadata().jwks_uri))
        with self._lock:
            self._keys = (keys, now)
        return keys

    def authorization_url(self, state: str, nonce: str, verifier: str, **more: str) -> str:
        """Where the browser is to go. `more` are further parameters: `max_age`, `prompt`, `acr_values`.

        A provider that takes requests beforehand is given ours (RFC 9126): nobody changes it in the browser,
        and no address there says what was asked. Raises SsoUnavailable.
        """
        metadata = self.metadata()
        client = self._client(metadata)
        base = "" if metadata.push_endpoint else metadata.authorization_endpoint
        url, _ = client.create_authorization_url(
            base, state=state, code_verifier=verifier, nonce=nonce, **more
        )
        if not metadata.push_endpoint:
            return str(url)
        asked = dict(parse_qsl(urlsplit(str(url)).query))
        auth = client.client_auth(client.token_endpoint_auth_method)
        reference = _reference(self._fetcher.post(metadata.push_endpoint, asked, {}, auth))
        named = [("client_id", self.client_id), ("request_uri", reference)]
        return str(add_params_to_uri(metadata.authorization_endpoint, named))

    def check_own_proof(self) -> bool:
        """Whether our proof to the provider is a key rather than a secret. Raises SsoUnavailable."""
        return self._own_proof()[1] == "private_key_jwt"

    def exchange(self, code: str, verifier: str) -> str:
        """The ID token for a code. Raises SsoRefused (a code spent, foreign or made up), SsoUnavailable."""
        metadata = self.metadata()
        try:
            answer = self._client(metadata).fetch_token(
                metadata.token_endpoint, code=code, code_verifier=verifier
            )
        except OAuth2Error:
            raise SsoRefused(
                "the sign-in provider doesn't take this code; begin the sign-in again", "bad_code"
            ) from None
        except ValueError:
            raise SsoUnavailable("the sign-in provider doesn't answer as it must; try again later") from None
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise SsoRefused("the sign-in provider didn't say who you are; ask who runs it", "no_id_token")
        return token

    def _own_proof(self) -> tuple[Any, str]:
        """Our key or secret, and what that way is called. Raises SsoUnavailable."""
        settings = self._settings
        name = "oidc_client_key" if settings.oidc_client_key else "oidc_client_secret"
        try:
            text = read_secret(settings.oidc_client_key or settings.oidc_client_secret)
        except CaptureError:
            raise SsoUnavailable(
                f"this archive's own proof for single sign-on can't be read: see the setting {name}"
            ) from None
        return (_own_key(text), "private_key_jwt") if settings.oidc_client_key else (text, _BY_HEADER)

    def _client(self, metadata: Metadata) -> Any:
        settings = self._settings
        secret, method = self._own_proof()
        if method == _BY_HEADER and metadata.client_methods and _BY_HEADER not in metadata.client_methods:
            method = "client_secret_post"
        client = OAuth2Client(
            self._fetcher,
            client_id=settings.oidc_client_id,
            client_secret=secret,
            token_endpoint_auth_method=method,
            scope="openid",
            redirect_uri=f"{settings.url}{RETURN_PATH}",
            code_challenge_method="S256",
        )
        if method == "private_key_jwt":
            client.register_client_auth_method(_Signed(alg=_OURS[secret.key_type]))
        return client


class _Signed(PrivateKeyJWT):  # type: ignore[misc]
    """Our proof to the token endpoint (RFC 7523); Authlib's own would be good for an hour."""

    def sign(self, auth: Any, token_endpoint: str) -> str:
        key, now = auth.client_secret, int(time.time())
        claims = {
            "iss": auth.client_id,
            "sub": auth.client_id,
            "aud": token_endpoint,
            "jti": secrets.token_urlsafe(24),
            "iat": now,
            "exp": now + ASSERTION_SECONDS,
        }
        return jose.sign({"kid": key.kid} if key.kid else {}, claims, key, self.alg)


def _own_key(text: str) -> ECKey | RSAKey | OKPKey:
    """Our private key, from PEM or a JWK, of a kind that `_OURS` can sign with. Raises SsoUnavailable."""
    for kind in (ECKey, RSAKey, OKPKey):
        try:
            given = json.loads(text) if text.lstrip().startswith("{") else text
            key = kind.import_key(given)
            fits = isinstance(key, RSAKey) or key.curve_name == _CURVES[key.key_type]
            if key.is_private and fits:
                return key
        except (JoseError, ValueError, TypeError):
            continue
    raise SsoUnavailable("oidc_client_key holds no private key (PEM or JWK; RSA, P-256 or Ed25519)")


def _metadata(document: dict[str, Any], issuer: str) -> Metadata:
    if document.get("issuer") != issuer:
        raise SsoRefused(
            "the address of the sign-in provider answers for another issuer; check the setting oidc_issuer",
            "bad_discovery",
        )
    addresses = [document.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
    if not all(isinstance(address, str) and is_safe(address) for address in addresses):
        raise SsoRefused("the sign-in provider names addresses that aren't https", "bad_discovery")
    challenges = document.get("code_challenge_methods_supported")
    if isinstance(challenges, list) and "S256" not in challenges:
        raise SsoRefused("the sign-in provider can't do PKCE with S256; ask who runs it", "bad_discovery")
    told = document.get("id_token_signing_alg_values_supported")
    algorithms = tuple(one for one in ASYMMETRIC if not isinstance(told, list) or one in told)
    if not algorithms:
        raise SsoRefused("the sign-in provider signs with nothing that is accepted here", "bad_discovery")
    names_issuer = document.get("authorization_response_iss_parameter_supported") is True
    first, second, third = (str(address) for address in addresses)
    push = document.get("pushed_authorization_request_endpoint") or ""
    if not isinstance(push, str) or (push and not is_safe(push)):
        raise SsoRefused("the sign-in provider names addresses that aren't https", "bad_discovery")
    ways = document.get("token_endpoint_auth_methods_supported")
    named = (one for one in ways if isinstance(one, str)) if isinstance(ways, list) else ()
    methods = tuple(one for one in named if one.isascii() and one.isidentifier())
    return Metadata(issuer, first, second, third, algorithms, names_issuer, push, methods)


def _reference(answer: Answer) -> str:
    """What a request that was handed in is called (RFC 9126, 2.2). Raises SsoUnavailable."""
    try:
        told = answer.json()
    except (ValueError, RecursionError):
        told = None
    found = told.get("request_uri") if isinstance(told, dict) else None
    if (
        answer.status_code not in (200, 201)
        or not isinstance(found, str)
        or not 0 < len(found) <= MAX_REFERENCE
    ):
        raise SsoUnavailable(
            "the sign-in provider doesn't take our request; ask who runs it whether this archive's key or "
            "secret, and the address it returns to, are registered there"
        )
    return found


def _usable(document: dict[str, Any]) -> KeySet:
    """The public keys that may sign; one of a kind we don't know doesn't spoil the others."""
    found: list[ECKey | RSAKey | OKPKey] = []
    kinds: dict[str, type[ECKey] | type[RSAKey] | type[OKPKey]] = {"EC": ECKey, "RSA": RSAKey, "OKP": OKPKey}
    given = document.get("keys")
    for jwk in given[:100] if isinstance(given, list) else ():
        kind = kinds.get(str(jwk.get("kty"))) if isinstance(jwk, dict) else None
        if kind is None or jwk.get("use", "sig") != "sig":
            continue
        try:
            found.append(kind.import_key({name: value for name, value in jwk.items() if name != "key_ops"}))
        except (JoseError, ValueError, TypeError):
            continue
    if not found:
        raise SsoUnavailable("the sign-in provider publishes no key that could be used")
    return KeySet(list(found))
