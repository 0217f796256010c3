"""Signed JSON (RFC 7515, RFC 7519) by joserfc, with an allow-list of algorithms and no other way in."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import Key, KeyFlexible
from joserfc.jws import JWSRegistry
from joserfc.jwt import Token, decode, encode

ASYMMETRIC: Final = ("ES256", "ES384", "PS256", "RS256", "EdDSA", "Ed25519")
"""What a provider may sign with: nothing that our own secret could sign, and never `none`."""


class JoseRefused(Exception):
    """A token that isn't what it must be. `reason` is a code that may stand in a log."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class _Signatures(JWSRegistry):
    # A key in the header (DPoP), or a certificate chain, takes more than the usual half kilobyte.
    max_header_length = 4_096

    def check_header(self, header: dict[str, Any]) -> None:
        super().check_header(header)
        if "crit" in header or "b64" in header:
            raise UnsupportedAlgorithmError("no extension changes what is signed here")

    def get_alg(self, name: str) -> Any:
        # joserfc warns of EdDSA, whose name RFC 9864 made `Ed25519`; providers go on writing the old one.
        if not isinstance(name, str) or name not in (self.allowed or ()):
            raise UnsupportedAlgorithmError("not allowed")
        return self.algorithms[name]


def read(text: str, key: KeyFlexible, algorithms: Collection[str]) -> Token:
    """The header and claims of a signed token. Raises JoseRefused for anything that isn't validly signed.

    `key` may be a key, a set, or a function of the unverified object that gives the key.
    """
    try:
        return decode(text, key, algorithms, _Signatures(algorithms=algorithms, strict_check_header=False))
    except UnsupportedAlgorithmError:
        raise JoseRefused("bad_algorithm") from None
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        # The last ones: a library's trouble with hostile bytes is a refusal like the others.
        raise JoseRefused("bad_signature") from None


def sign(header: dict[str, Any], claims: dict[str, Any], key: Key, algorithm: str) -> str:
    """A token of our own."""
    registry = _Signatures(algorithms=(algorithm,), strict_check_header=False)
    return encode({**header, "alg": algorithm}, claims, key, (algorithm,), registry)


def unverified_header(text: str) -> dict[str, Any]:
    """What a token says of itself, believed by nobody. Raises JoseRefused."""
    try:
        return dict(jws.extract_compact(text.encode("ascii")).headers())
    except (JoseError, ValueError, TypeError, RecursionError):
        raise JoseRefused("not_a_token") from None
