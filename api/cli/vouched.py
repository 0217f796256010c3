"""`users ...`: the tokens of programs, and who people are at the single sign-on provider."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from api.cli.verb import Context, UsageError, Verb
from api.tokens import ApiToken, MadeFor


def configure_made_for(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what a token is made for."""
    parser.add_argument("--label", default="", help="what the token is for")
    parser.add_argument(
        "--scope",
        action="append",
        metavar="ACTION",
        help="an action it may do, like search.query; may be repeated. Left out: all that the role may",
    )
    parser.add_argument(
        "--custodian", action="append", default=[], metavar="ADDRESS", help="sees only their mail"
    )
    parser.add_argument(
        "--matter", action="append", default=[], metavar="ID", help="sees only what its holds cover"
    )
    parser.add_argument(
        "--dpop-key",
        type=Path,
        metavar="FILE",
        help="public key (JWK; P-256 or Ed25519) that each request must be signed with: RFC 9449",
    )


def made_for(args: argparse.Namespace) -> MadeFor:
    """What the options say. Raises UsageError where the key's file can't be read."""
    return MadeFor(args.label, args.scope, args.custodian, args.matter, _key(args.dpop_key))


def _key(path: Path | None) -> dict[str, Any] | None:
    if path is None:
        return None
    try:
        key = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        key = None
    if not isinstance(key, dict):
        raise UsageError("--dpop-key names no file with a public key as a JWK; see docs/api-tokens.md")
    return key


def describe(token: ApiToken) -> str:
    """A token in one line."""
    may = "all of the role" if token.actions is None else " ".join(token.actions)
    bound = "  bound" if token.bound else ""
    used = token.last_used_at or "never used"
    return f"{token.id}  {token.state:<8} until {token.expires_at}  {used}{bound}  {may}  {token.label}"


def _tokens(context: Context, args: argparse.Namespace) -> int:
    found = context.app.accounts.tokens_of(args.name)
    lines = {token.id: describe(token) for token in found}
    context.say_list(
        [token.to_json() for token in found],
        lambda document: lines[document["id"]],
        "no tokens; `holdfast users token NAME` makes one",
    )
    return 0


def _revoke(context: Context, args: argparse.Namespace) -> int:
    token = context.app.accounts.tokens.revoke(args.id)
    context.say(token.to_json(), f"token {token.id} has ended")
    return 0


def _rotate(context: Context, args: argparse.Namespace) -> int:
    token, secret = context.app.accounts.tokens.rotate(args.id)
    context.say({**token.to_json(), "token": secret}, f"token {token.id} (shown this once): {secret}")
    return 0


def _identities(context: Context, args: argparse.Namespace) -> int:
    found = context.app.sso.of_user(args.name)
    context.say_list(
        [one.to_json() for one in found],
        lambda one: f"{one['id']}  {one['issuer']}  {one['subject']}  since {one['created_at']}",
        "none; `holdfast users link NAME --subject SUB` says who this person is at the provider",
    )
    return 0


def _unlink(context: Context, args: argparse.Namespace) -> int:
    user = context.app.sso.unlink(args.id)
    context.say({"id": args.id, "user": user}, "unlinked; the sessions that rested on it ended")
    return 0


def _named(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="name or id")


def _with_id(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", help="id, as the list prints it")


VERBS = (
    Verb(("users", "tokens"), "list a user's API tokens", _tokens, _named, ("token.list",)),
    Verb(("users", "revoke-token"), "end an API token", _revoke, _with_id, ("token.revoke",)),
    Verb(("users", "rotate-token"), "give a token another secret", _rotate, _with_id, ("token.rotate",)),
    Verb(("users", "identities"), "who a user is at the provider", _identities, _named, ("identity.list",)),
    Verb(("users", "unlink"), "take an identity away from its user", _unlink, _with_id, ("identity.unlink",)),
)
