"""A client that signs its requests (RFC 9449), written from the RFC with joserfc alone."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Callable
from typing import Any

import httpx
from joserfc.jwk import ECKey, OKPKey
from joserfc.jws import JWSRegistry


class DpopClient:
    """Sends requests with a token and a proof for each; learns the server's nonce as the RFC says."""

    def __init__(self, base: str, token: str, key: ECKey | OKPKey, **headers: str) -> None:
        self.key, self.token, self.base = key, token, base
        self.nonce: str | None = None
        self.now: Callable[[], float] = time.time
        self.client = httpx.Client(base_url=base, trust_env=False, timeout=30, headers=headers)

    def proof(self, method: str, path: str, **changes: Any) -> str:
        """A proof; `changes` are other claims, None takes one out; `header_NAME` changes the header."""
        said = {
            "jti": secrets.token_urlsafe(16),
            "htm": method,
            "htu": f"{self.base}{path}",
            "iat": int(self.now()),
            "ath": base64.urlsafe_b64encode(hashlib.sha256(self.token.encode()).digest())
            .decode()
            .rstrip("="),
            "nonce": self.nonce,
        }
        algorithm = "ES256" if isinstance(self.key, ECKey) else "Ed25519"
        header = {"typ": "dpop+jwt", "alg": algorithm, "jwk": self.key.as_dict(private=False)}
        header |= {k.removeprefix("header_"): v for k, v in changes.items() if k.startswith("header_")}
        said |= {k: v for k, v in changes.items() if not k.startswith("header_")}
        claims = {k: v for k, v in said.items() if v is not None}
        told = f"{_part(header)}.{_part(claims)}"
        # By hand: a library would refuse to write what a hostile client writes.
        signature = JWSRegistry.algorithms[algorithm].sign(told.encode(), self.key)
        return f"{told}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"

    def send(self, method: str, path: str, proof: str | None = None, **more: Any) -> httpx.Response:
        """One request; where the server asks for its nonce, once more."""
        headers = {**more.pop("headers", {}), "Authorization": f"DPoP {self.token}"}
        given = proof or self.proof(method, path)
        answer = self.client.request(method, path, headers={**headers, "DPoP": given}, **more)
        if proof is None and answer.status_code == 401 and "dpop-nonce" in answer.headers:
            self.nonce = answer.headers["dpop-nonce"]
            given = self.proof(method, path)
            answer = self.client.request(method, path, headers={**headers, "DPoP": given}, **more)
        return answer


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
