"""A real OpenID provider on loopback: idpyoidc's, whose forebear is certified by the OpenID Foundation.

It registers clients, shows a form, checks a password, keeps a session of its own in a cookie, hands out
codes, checks PKCE and the client's proof, signs ID tokens and tells of logouts. `Provider.twist` lies between
it and its client, for the tests of a hostile one: what is signed is then signed with its own keys.
"""

from __future__ import annotations

import json
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from cryptojwt.jwk.ec import ECKey, new_ec_key
    from cryptojwt.jws.jws import JWS, factory
    from idpyoidc.message.oidc import AuthorizationRequest
    from idpyoidc.server import Server
    from idpyoidc.server.configure import OPConfiguration
    from idpyoidc.server.exception import FailedAuthentication
    from idpyoidc.server.user_authn.user import UserAuthnMethod, create_signed_jwt

CLIENT = "holdfast"
SECRET = "a-client-secret-of-forty-octets-and-more-000"
PASSWORDS = {"ann": "correct horse", "bob": "battery staple"}
PASSWORD, MULTI_FACTOR = "urn:clinic:password", "urn:clinic:mfa"
_OCT = [{"type": "oct", "bytes": 24, "use": ["enc"], "kid": "code"}]

Twist = Callable[[dict[str, Any]], dict[str, Any] | str]
"""What the client is given instead: other claims, signed as the provider signs, or a token as it stands."""


class FormLogin(UserAuthnMethod):  # type: ignore[misc]
    """A page with a name, a password and, for the stronger way, a second factor."""

    url_endpoint = "/verify"

    def __init__(self, upstream_get: Any = None, **kwargs: Any) -> None:
        super().__init__(upstream_get=upstream_get, **kwargs)

    def __call__(self, **kwargs: Any) -> str:
        context = self.upstream_get("context")
        token = create_signed_jwt(context.issuer, self.upstream_get("attribute", "keyjar"), **kwargs)
        return (
            '<!doctype html><title>The provider</title><form method="post" action="/verify">'
            f'<input type="hidden" name="token" value="{escape(token)}">'
            '<input name="username" id="username"><input name="password" type="password" id="password">'
            '<input name="code" id="code"><button id="go">Sign in</button></form>'
        )

    def verify(self, *_: Any, **kwargs: Any) -> str:
        if PASSWORDS.get(kwargs.get("username", "")) != kwargs.get("password"):
            raise FailedAuthentication
        return str(kwargs["username"])


@dataclass
class Provider:
    """The running provider. `last_token` is the ID token it signed last."""

    issuer: str
    server: Any
    twist: Twist | None = None
    discovery: dict[str, Any] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    last_token: str = ""
    subjects: dict[str, str] = field(default_factory=dict)
    amr: list[str] | None = None
    pushes: bool = False
    """Whether it says that requests can be handed in beforehand (RFC 9126)."""

    def register(self, redirect_uri: str, *, key: dict[str, Any] | None = None, logout: str = "") -> None:
        """Make the archive known, by its secret or by the public half of its key (a JWK)."""
        known: dict[str, Any] = {
            "client_id": CLIENT,
            "client_secret": SECRET,
            "redirect_uris": [(redirect_uri, {})],
            "response_types_supported": ["code"],
            "response_types": ["code"],
            "allowed_scopes": ["openid"],
            "token_endpoint_auth_method": "private_key_jwt" if key else "client_secret_basic",
            "id_token_signed_response_alg": "ES256",
        }
        if logout:
            known |= {"backchannel_logout_uri": logout, "backchannel_logout_session_required": True}
        self.server.context.cdb[CLIENT] = known
        keyjar = self.server.keyjar
        keyjar.add_symmetric(CLIENT, SECRET)
        if key:
            keyjar.import_jwks({"keys": [key]}, CLIENT)

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        """A token signed with the provider's own key."""
        keys = self.server.keyjar.get_signing_key("EC", "")
        signer = JWS(json.dumps(claims), alg="ES256")
        return str(signer.sign_compact(keys=keys, protected={"typ": "JWT", "kid": keys[0].kid, **header}))

    def logout_token(self, claims: dict[str, Any], **header: Any) -> str:
        """A back-channel logout token."""
        return self.sign(claims, **{"typ": "logout+jwt", **header})


def foreign_key() -> ECKey:
    """A key that isn't the provider's."""
    return new_ec_key("P-256", use="sig")


def _configuration(issuer: str) -> dict[str, Any]:
    endpoint = "idpyoidc.server.oidc"
    return {
        "issuer": issuer,
        "httpc_params": {"verify": False, "timeout": 5},
        "key_conf": {
            "key_defs": [
                {"type": "RSA", "size": 2048, "use": ["sig"]},
                {"type": "EC", "crv": "P-256", "use": ["sig"]},
            ],
            "uri_path": "jwks.json",
        },
        "token_handler_args": {
            "jwks_def": {"key_defs": _OCT},
            "code": {"lifetime": 600, "kwargs": {"lifetime": 600}},
            "token": {"class": "idpyoidc.server.token.jwt_token.JWTToken", "kwargs": {"lifetime": 600}},
            "id_token": {"class": "idpyoidc.server.token.id_token.IDToken", "kwargs": {"lifetime": 300}},
        },
        "preference": {
            "subject_types_supported": ["public"],
            "grant_types_supported": ["authorization_code"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
        },
        "endpoint": {
            "provider_config": {
                "path": ".well-known/openid-configuration",
                "class": f"{endpoint}.provider_config.ProviderConfiguration",
                "kwargs": {"client_authn_method": None},
            },
            "authorization": {
                "path": "authorization",
                "class": f"{endpoint}.authorization.Authorization",
                "kwargs": {
                    "client_authn_method": None,
                    "response_types_supported": ["code"],
                    "response_modes_supported": ["query"],
                },
            },
            "token": {
                "path": "token",
                "class": f"{endpoint}.token.Token",
                "kwargs": {
                    "client_authn_method": ["client_secret_basic", "client_secret_post", "private_key_jwt"]
                },
            },
            "pushed_authorization": {
                "path": "par",
                "class": "idpyoidc.server.oauth2.pushed_authorization.PushedAuthorization",
                "kwargs": {"client_authn_method": ["client_secret_basic", "private_key_jwt"]},
            },
            "session": {
                "path": "end_session",
                "class": f"{endpoint}.session.Session",
                "kwargs": {
                    "logout_verify_url": f"{issuer}/verify_logout",
                    "post_logout_uri_path": "post_logout",
                    "signing_alg": "ES256",
                    "backchannel_logout_supported": True,
                    "backchannel_logout_session_supported": True,
                },
            },
        },
        "add_on": {
            "pkce": {
                "function": "idpyoidc.server.oauth2.add_on.pkce.add_support",
                "kwargs": {"essential": True, "code_challenge_methods": {"S256": {}}},
            }
        },
        "authentication": {
            "password": {"acr": PASSWORD, "class": FormLogin, "kwargs": {}},
            "mfa": {"acr": MULTI_FACTOR, "class": FormLogin, "kwargs": {}},
        },
        "userinfo": {
            "class": "idpyoidc.server.user_info.UserInfo",
            "kwargs": {"db": {name: {"sub": name} for name in PASSWORDS}},
        },
        "cookie_handler": {
            "class": "idpyoidc.server.cookie_handler.CookieHandler",
            "kwargs": {
                "encrypter": {
                    "kwargs": {
                        "keys": {
                            "key_defs": [
                                {"type": "OCT", "use": ["enc"], "kid": "enc"},
                                {"type": "OCT", "use": ["sig"], "kid": "sig"},
                            ]
                        }
                    }
                },
                "flags": {"samesite": "Lax", "httponly": True, "secure": False},
                "name": {"session": "op", "register": "op_rp", "session_management": "op_sm"},
            },
        },
        "template_dir": "/nonexistent",
    }


class _Handler(BaseHTTPRequestHandler):
    """The provider's web: what its own example does with Flask, by the standard library."""

    provider: Provider
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """No log."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        self._answer(parts.path, query, "")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0"))).decode()
        form = {name: values[-1] for name, values in parse_qs(body).items()}
        self._answer(urlsplit(self.path).path, form, body)

    def _answer(self, path: str, given: dict[str, str], _body: str) -> None:
        self.provider.requests.append((path, given))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if path == "/.well-known/openid-configuration":
                self._json({**_described(self.provider), **self.provider.discovery})
            elif path == "/jwks.json":
                self._json(json.loads(self.provider.server.keyjar.export_jwks_as_json()))
            elif path == "/authorization":
                self._authorization(given)
            elif path == "/verify":
                self._verify(given)
            elif path == "/par":
                self._pushed(given)
            elif path == "/token":
                self._token(given)
            elif path == "/favicon.ico":
                self._send(204, b"", {})
            else:
                self._send(404, b"", {})

    def _authorization(self, given: dict[str, str]) -> None:
        endpoint = self.provider.server.get_endpoint("authorization")
        if pushed := self.provider.server.context.par_db.get(given.get("request_uri", "")):
            # RFC 9126 sends a reference alone; idpyoidc wants what OpenID Connect Core, 6.2, has beside it.
            given = {**{name: pushed[name] for name in ("response_type", "scope", "redirect_uri")}, **given}
            given = {name: " ".join(v) if isinstance(v, list) else v for name, v in given.items()}
        info = {"headers": dict(self.headers), "method": "GET", "url": self.path, "cookie": self._cookies()}
        request = endpoint.parse_request(given, http_info=info)
        if "error" in request:
            self._json(request.to_dict(), 400)
            return
        answer = endpoint.process_request(request, http_info=info)
        if "http_response" in answer:
            self._send(200, answer["http_response"].encode(), {"Content-Type": "text/html; charset=utf-8"})
            return
        self._respond(endpoint, request, answer)

    def _verify(self, given: dict[str, str]) -> None:
        context = self.provider.server.context
        acr = MULTI_FACTOR if given.get("code") else PASSWORD
        method = context.authn_broker.pick(acr)[0]["method"]
        try:
            name = method.verify(**given)
        except FailedAuthentication:
            self._send(401, b"no", {})
            return
        told = method.unpack_token(given["token"])
        request = AuthorizationRequest().from_urlencoded(told["query"])
        endpoint = self.provider.server.get_endpoint("authorization")
        session = endpoint.create_session(request, name, acr, told["iat"], method)
        self._respond(endpoint, request, endpoint.authz_part2(request=request, session_id=session))

    def _pushed(self, given: dict[str, str]) -> None:
        endpoint = self.provider.server.get_endpoint("pushed_authorization")
        headers = {k.lower(): v for k, v in self.headers.items()}
        info = {"headers": headers, "method": "POST", "url": self.path}
        try:
            request = endpoint.parse_request(given, http_info=info)
            answer = request if "error" in request else endpoint.process_request(request)["http_response"]
        except Exception as error:
            self._json({"error": "invalid_client", "error_description": type(error).__name__}, 401)
            return
        self._json(dict(answer), 400 if "error" in answer else 201)

    def _token(self, given: dict[str, str]) -> None:
        endpoint = self.provider.server.get_endpoint("token")
        info = {
            "headers": {k.lower(): v for k, v in self.headers.items()},
            "method": "POST",
            "url": self.path,
        }
        try:
            request = endpoint.parse_request(given, http_info=info)
            answer = request if "error" in request else endpoint.process_request(request, http_info=info)
        except Exception as error:
            self._json({"error": "invalid_client", "error_description": type(error).__name__}, 401)
            return
        if "error" in answer:
            self._json(answer.to_dict() if hasattr(answer, "to_dict") else dict(answer), 400)
            return
        told = dict(answer["response_args"])
        claims = factory(told["id_token"]).jwt.payload()
        self.provider.last_token = told["id_token"]
        if self.provider.amr is not None:
            claims["amr"] = self.provider.amr
            told["id_token"] = self.provider.sign(claims)
        if self.provider.twist is not None:
            twisted = self.provider.twist(dict(claims))
            told["id_token"] = twisted if isinstance(twisted, str) else self.provider.sign(twisted)
        self.provider.subjects[claims["sub"]] = claims["sub"]
        self._json({k: v for k, v in told.items() if isinstance(v, str | int)})

    def _respond(self, endpoint: Any, request: Any, answer: dict[str, Any]) -> None:
        info = endpoint.do_response(request=request, **answer)
        headers = {"Location": info["response"]} if "response" in info else {}
        cookies = answer.get("cookie", ())
        self._send(303, b"", headers, [f"{c['name']}={c['value']}; Path=/; HttpOnly" for c in cookies])

    def _cookies(self) -> list[dict[str, str]]:
        jar = SimpleCookie(self.headers.get("Cookie", ""))
        return [{"name": name, "value": morsel.value} for name, morsel in jar.items()]

    def _json(self, document: dict[str, Any], status: int = 200) -> None:
        self._send(status, json.dumps(document).encode(), {"Content-Type": "application/json"})

    def _send(
        self, status: int, body: bytes, headers: dict[str, str], cookies: list[str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body)), "Cache-Control": "no-store"}.items():
            self.send_header(name, value)
        for cookie in cookies or ():
            self.send_header("Set-Cookie", cookie)
        self.end_headers()
        self.wfile.write(body)


def _described(provider: Provider) -> dict[str, Any]:
    endpoint = provider.server.get_endpoint("provider_config")
    told = dict(json.loads(json.dumps(endpoint.process_request()["response_args"], default=str)))
    if not provider.pushes:
        del told["pushed_authorization_request_endpoint"]
    return told


@contextmanager
def oidc_provider() -> Iterator[Provider]:
    """A provider of its own keys, until the block ends."""
    handler = type("Handler", (_Handler,), {})
    web = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    web.daemon_threads = True
    issuer = f"http://127.0.0.1:{web.server_address[1]}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server = Server(OPConfiguration(conf=_configuration(issuer)))
    provider = Provider(issuer, server)
    handler.provider = provider
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        web.shutdown()
        web.server_close()
        thread.join(10)


__all__ = ["CLIENT", "MULTI_FACTOR", "PASSWORD", "PASSWORDS", "SECRET", "Provider", "oidc_provider"]
