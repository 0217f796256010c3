"""`disclosures`: what left the archive, and the account a patient may ask for."""

from __future__ import annotations

import argparse

from api import views
from api.cli.case_options import day, naming, whom_of, write_file
from api.cli.verb import Context, Verb, acting
from config.cases import zone_of
from retention.disclosures import paper
from search.disclosing import CITED, SUSPENDABLE, Basis, Recipient

BASES = ", ".join(one for one in CITED if one is not Basis.UNSTATED)


def _account(context: Context, args: argparse.Namespace) -> int:
    app = context.app
    found = app.cases.disclosures.account(context.actor(), whom_of(args), since=args.since, until=args.until)
    if args.pdf:
        settings = app.settings
        data = paper.pdf(
            app.vault.archive_id,
            found,
            settings.organisation,
            settings.privacy_contact,
            app.vault.clock.now().astimezone(zone_of(settings.time_zone)),
        )
        write_file(args.pdf, data)
    if args.format == "csv":
        print(paper.as_csv(found), end="")
        return 0
    staff = found["for_staff"]

    def text() -> str:
        lines = [f"{one['date']}  {one['recipient'] or 'not known'}  {one['purpose']}  {one['what']}"
                 for one in found["disclosures"]]  # fmt: skip
        left = ", ".join(f"{number} {name}" for name, number in staff["left_out"].items()) or "nothing"
        lines.append(f"left out by the rule: {left}; suspended: {staff['suspended']}")
        if staff["unstated"]:
            lines.append(f"without a legal basis: {staff['unstated']}; see `disclosures list --unstated`")
        return "\n".join(lines)

    context.say(views.readable(found), text)
    return 0


def _list(context: Context, args: argparse.Namespace) -> int:
    found = context.app.cases.disclosures.list(context.actor(), unstated=args.unstated, limit=args.limit)
    context.say_list(
        views.readable(found),
        lambda one: (
            f"{one['id']}  {one['at']}  {one['legal_basis']:<16} {one['patients']:>6} patients  "
            f"{one['recipient'] or '-'}"
        ),
        "nothing left yet",
    )
    return 0


def _state(context: Context, args: argparse.Namespace) -> int:
    found = context.app.cases.disclosures.state(
        context.actor(),
        args.id,
        basis=args.legal_basis or "",
        recipient=Recipient(args.recipient or "", args.recipient_address or ""),
        note=args.note or "",
    )
    context.say(
        views.readable(found), f"{found['id']}: {found['legal_basis']}, to {found['recipient'] or '-'}"
    )
    return 0


def _record(context: Context, args: argparse.Namespace) -> int:
    found = context.app.cases.disclosures.record(
        context.actor(),
        whom_of(args),
        basis=args.legal_basis,
        recipient=Recipient(args.recipient, args.recipient_address or ""),
        what=args.what,
    )
    context.say(views.readable(found), f"written down as {found['id']}")
    return 0


def _suspend(context: Context, args: argparse.Namespace) -> int:
    found = context.app.cases.disclosures.suspend(
        context.actor(),
        whom_of(args),
        basis=args.legal_basis,
        until=args.until,
        written=args.written,
        agency=args.agency or "",
        statement=args.statement,
    )
    context.say(views.readable(found), f"suspension {found['id']} until {found['until']}")
    return 0


def _suspensions(context: Context, args: argparse.Namespace) -> int:
    context.say_list(
        views.readable(context.app.cases.disclosures.suspended(context.actor())),
        lambda one: (
            f"{one['id']}  {'in force' if one['in_force'] else 'over':<9} until {one['until']}  "
            f"{one['legal_basis']}  patient {one['patient']}"
        ),
        "no suspension",
    )
    return 0


def _resume(context: Context, args: argparse.Namespace) -> int:
    context.app.cases.disclosures.resume(context.actor(), args.id)
    context.say({"id": args.id}, f"suspension {args.id} ended")
    return 0


def addressed(parser: argparse.ArgumentParser, *, needed: bool = False) -> None:
    """Add the options that say whom something is for and by which right it goes."""
    parser.add_argument("--recipient", required=needed, help="who gets it: a name or an organisation")
    parser.add_argument("--recipient-address", help="their address")
    parser.add_argument("--legal-basis", required=needed, metavar="B", help=f"one of {BASES}")


def _configure_account(parser: argparse.ArgumentParser) -> None:
    naming(parser)
    parser.add_argument("--since", type=day, metavar="YYYY-MM-DD", help="the first day (six years ago)")
    parser.add_argument("--until", type=day, metavar="YYYY-MM-DD", help="the last day (today)")
    parser.add_argument("--format", choices=("text", "csv"), default="text", help="csv: the lines as a table")
    parser.add_argument("--pdf", metavar="FILE", help="write what the patient gets as PDF/A")
    acting(parser)


def _configure_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--unstated", action="store_true", help="only those without a legal basis")
    parser.add_argument("--limit", type=int, default=100, help="how many (100)")
    acting(parser)


def _configure_state(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="a disclosure's id, as `disclosures list` shows it")
    addressed(parser)
    parser.add_argument("--note", help="anything else")
    acting(parser)


def _configure_record(parser: argparse.ArgumentParser) -> None:
    naming(parser)
    addressed(parser, needed=True)
    parser.add_argument("--what", required=True, help="what it was, in a few words")
    acting(parser)


def _configure_suspend(parser: argparse.ArgumentParser) -> None:
    naming(parser)
    parser.add_argument("--legal-basis", required=True, choices=sorted(SUSPENDABLE), help="whose it was")
    parser.add_argument("--until", required=True, type=day, metavar="YYYY-MM-DD", help="the last day of it")
    parser.add_argument("--written", action="store_true", help="a written statement; else 30 days at most")
    parser.add_argument("--agency", help="the agency, as its disclosures name it; default: every such one")
    parser.add_argument("--statement", required=True, help="what it said, and who")
    acting(parser)


def _configure_resume(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="a suspension's id")
    acting(parser)


VERBS = (
    Verb(
        ("disclosures", "account"),
        "the account for one patient (45 CFR 164.528)",
        _account,
        _configure_account,
        ("disclosure.account",),
    ),
    Verb(("disclosures", "list"), "what left, newest first", _list, _configure_list, ("disclosure.list",)),
    Verb(
        ("disclosures", "state"),
        "say by which right something left, or who got it",
        _state,
        _configure_state,
        ("disclosure.state",),
    ),
    Verb(
        ("disclosures", "record"),
        "write down what left on another way",
        _record,
        _configure_record,
        ("disclosure.record",),
    ),
    Verb(
        ("disclosures", "suspend"),
        "leave out what an agency got, for a time",
        _suspend,
        _configure_suspend,
        ("disclosure.suspend",),
    ),
    Verb(
        ("disclosures", "suspensions"), "every suspension", _suspensions, acting, ("disclosure.suspensions",)
    ),
    Verb(
        ("disclosures", "resume"),
        "end a suspension before its day",
        _resume,
        _configure_resume,
        ("disclosure.resume",),
    ),
)
