"""`users`: people, their roles and tokens."""

from __future__ import annotations

import argparse

from api.cli.verb import Context, Verb
from api.cli.vouched import configure_made_for, made_for
from search.access import Role


def _add(context: Context, args: argparse.Namespace) -> int:
    accounts = context.app.accounts
    user = accounts.add_user(args.name, args.role, mail=args.mail)
    document = user.to_json()
    lines = [f"user {user.name} ({user.role}) added, id {user.id}"]
    if args.token:
        document["token"] = accounts.token(user.id, args.days)
        lines.append(f"token (shown this once): {document['token']}")
    else:
        document["link"] = accounts.link(user.id)
        lines.append(f"enrolment link (one use, 15 minutes): {document['link']}")
    context.say(document, "\n".join(lines))
    return 0


def _configure_add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="what to call this person or program")
    parser.add_argument("--role", required=True, help="one of " + ", ".join(Role))
    parser.add_argument("--mail", help="where to tell them of changes of their account")
    parser.add_argument("--token", action="store_true", help="also make an API token and print it once")
    parser.add_argument("--days", type=int, help="days the token lives")


def _list(context: Context, _: argparse.Namespace) -> int:
    documents = [user.to_json() for user in context.app.accounts.list()]
    context.say_list(
        documents,
        lambda u: f"{u['id']}  {u['role']:<20} {'disabled' if u['disabled'] else 'active':<9} {u['name']}",
        "no users yet; `holdfast users add NAME --role ROLE` adds one",
    )
    return 0


def _disable(context: Context, args: argparse.Namespace) -> int:
    user = context.app.accounts.disable(args.name)
    context.say(user.to_json(), f"user {user.name} is disabled; all tokens and sessions ended")
    return 0


def _link(context: Context, args: argparse.Namespace) -> int:
    if args.subject is not None:
        one = context.app.sso.link(args.name, args.issuer, args.subject)
        context.say(one.to_json(), f"{args.name} may sign in at {one.issuer} from now on (identity {one.id})")
        return 0
    link = context.app.accounts.link(args.name)
    context.say({"name": args.name, "link": link}, f"enrolment link (one use, 15 minutes): {link}")
    return 0


def _token(context: Context, args: argparse.Namespace) -> int:
    made, token = context.app.accounts.new_token(args.name, args.days, made_for(args))
    context.say(
        {**made.to_json(), "name": args.name, "token": token},
        f"token {made.id} (shown this once): {token}",
    )
    return 0


def _configure_token(parser: argparse.ArgumentParser) -> None:
    _named(parser)
    parser.add_argument("--days", type=int, help="days the token lives")
    configure_made_for(parser)


def _configure_link(parser: argparse.ArgumentParser) -> None:
    _named(parser)
    parser.add_argument("--subject", help="instead of a link: who this is at the provider, its `sub`")
    parser.add_argument("--issuer", help="of which provider; default: the setting oidc_issuer")


def _named(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="name or id")


VERBS = (
    Verb(("users", "add"), "add a user", _add, _configure_add, ("user.add", "token.issue", "link.issue")),
    Verb(("users", "list"), "list users", _list, audits=("user.list",)),
    Verb(
        ("users", "disable"),
        "disable a user and end their tokens and sessions",
        _disable,
        _named,
        ("user.disable",),
    ),
    Verb(
        ("users", "link"),
        "make a link by which a passkey is added, or say who somebody is at the provider",
        _link,
        _configure_link,
        ("link.issue", "identity.link"),
    ),
    Verb(("users", "token"), "make a further API token", _token, _configure_token, ("token.issue",)),
)
