"""`/session/tokens` and `/users/{id}/tokens`: API tokens, one's own and, for administrators, other people's;
`/users/{id}/identities`: who a user is at the single sign-on provider."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from api.accounts import MAX_TOKEN_DAYS
from api.http.api_search import ObjectId
from api.http.auth import ActorDep, AppDep
from api.http.router import api_router
from api.sso.id_token import MAX_SUBJECT
from api.tokens import MAX_LABEL, MAX_NAMED, MadeFor

router = api_router("tokens")

Named = Annotated[list[Annotated[str, Field(max_length=320)]], Field(max_length=MAX_NAMED)]


class NewToken(BaseModel):
    """What a token is to be made for.

    `days` is its life, the setting `token_days` where left out. `scopes` are actions of the user's role; left
    out, it can do all that the role can. `custodians` and `matters` bound the mail that it sees.
    `dpop_key` is the public half (a JWK) of the key that each request must then be signed with (RFC 9449).
    """

    model_config = ConfigDict(extra="forbid")

    days: Annotated[int | None, Field(ge=1, le=MAX_TOKEN_DAYS)] = None
    label: Annotated[str, Field(max_length=MAX_LABEL)] = ""
    scopes: Annotated[list[Annotated[str, Field(max_length=60)]] | None, Field(max_length=100)] = None
    custodians: Named = []
    matters: Named = []
    dpop_key: dict[str, Any] | None = None

    def made_for(self) -> MadeFor:
        """The same for the service."""
        return MadeFor(self.label, self.scopes, self.custodians, self.matters, self.dpop_key)


class NewIdentity(BaseModel):
    """Who a user is at the provider: the `sub` of its ID tokens, of the provider set or of `issuer`."""

    model_config = ConfigDict(extra="forbid")

    subject: Annotated[str, Field(min_length=1, max_length=MAX_SUBJECT)]
    issuer: Annotated[str | None, Field(max_length=500)] = None


@router.get("/session/tokens")
def list_own_tokens(app: AppDep, actor: ActorDep) -> dict[str, Any]:
    """One's own tokens, newest first, those that have ended too; never a secret."""
    return {"items": [token.to_json() for token in app.accounts.tokens.own(actor)], "next": None}


@router.post("/session/tokens/{id}/rotate", status_code=201)
def rotate_own_token(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """Another secret for a token of one's own, or for the very token that asks; the old one ends at once."""
    made, secret = app.accounts.tokens.rotate(id, by=actor)
    return {**made.to_json(), "token": secret}


@router.post("/session/tokens/{id}/revoke")
def revoke_own_token(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """End a token of one's own, or the very token that asks, at once."""
    return app.accounts.tokens.revoke(id, by=actor, own=True).to_json()


@router.get("/users/{id}/tokens")
def list_tokens(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """A user's tokens, newest first, those that have ended too; never a secret."""
    found = app.accounts.tokens_of(id, by=actor)
    return {"items": [token.to_json() for token in found], "next": None}


@router.post("/users/{id}/tokens/{token}/revoke")
def revoke_token(app: AppDep, actor: ActorDep, id: ObjectId, token: ObjectId) -> dict[str, Any]:
    """End a user's token at once."""
    return app.accounts.tokens.revoke(token, user_id=id, by=actor).to_json()


@router.get("/users/{id}/identities")
def list_identities(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """Who a user is at the single sign-on provider."""
    return {"items": [one.to_json() for one in app.sso.of_user(id, by=actor)], "next": None}


@router.post("/users/{id}/identities", status_code=201)
def link_identity(app: AppDep, actor: ActorDep, id: ObjectId, body: NewIdentity) -> dict[str, Any]:
    """Say who a user is at the provider. Of somebody who can sign in already, it takes two administrators."""
    return app.sso.link(id, body.issuer, body.subject, by=actor).to_json()


@router.post("/users/{id}/identities/{identity}/unlink")
def unlink_identity(app: AppDep, actor: ActorDep, id: ObjectId, identity: ObjectId) -> dict[str, Any]:
    """Take an identity away; the sessions that rest on it end."""
    return {"user": app.sso.unlink(identity, user_id=id, by=actor), "identity": identity}
