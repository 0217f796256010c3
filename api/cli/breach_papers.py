"""`breach letters`, `letter`, `public`, `hhs` and `log`: what goes out of a breach."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from api import views
from api.cli.case_options import write_file
from api.cli.verb import Context, UsageError, Verb, acting
from archiver.message.content import Raw, pieces
from archiver.store import durable
from retention.breaches.hhs import NAMED, Answer


def write_folder(out: str, files: Iterable[tuple[str, Raw]]) -> int:
    """Write files into a new or empty folder, which is looked at before anything is asked for; how many.
    Raises UsageError."""
    folder = Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError("the folder must be new or empty; name another one")
    count = 0
    try:
        for name, content in files:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            durable.write_pieces(path, pieces(content))
            count += 1
    except OSError as error:
        raise UsageError(f"the folder can't be written there: {error.strerror}") from None
    return count


def _letters(context: Context, args: argparse.Namespace) -> int:
    count = write_folder(args.out, context.app.cases.breach_letters.make(context.actor(), args.id))
    told = {"id": args.id, "directory": args.out, "files": count}
    context.say(told, f"{count} files in {args.out}; recipients.csv is for the mail merge")
    return 0


def _letter(context: Context, args: argparse.Namespace) -> int:
    letters, actor = context.app.cases.breach_letters, context.actor()
    found = letters.kept(actor, args.id, args.patient)
    if args.pdf:
        write_file(args.pdf, letters.kept_pdf(actor, args.id, args.patient))
    context.say(views.readable(found), found["text"])
    return 0


def _public(context: Context, args: argparse.Namespace) -> int:
    letters, actor = context.app.cases.breach_letters, context.actor()
    found = letters.public(actor, args.id)
    if args.pdf:
        write_file(args.pdf, letters.public_pdf(actor, args.id, args.state or ""))

    def text() -> str:
        shown = [one["text"] for one in found["media"] if args.state in (None, one["state"])]
        if not shown:
            shown = ["no State has more than 500 residents concerned: the media needn't be told"]
        if args.state is None:
            shown.append(found["substitute"])
        return "\n\n".join([*shown, *(f"LACKS {one}" for one in found["missing"])])

    context.say(views.readable(found), text)
    return 0


def _hhs(context: Context, args: argparse.Namespace) -> int:
    reports, actor = context.app.cases.reports, context.actor()
    answers: dict[str, Answer] = {}
    for name, value in args.set:
        before = answers.get(name)
        if before is None or not NAMED[name].many:
            answers[name] = [value] if NAMED[name].many else value
        else:
            answers[name] = [*before, value]
    form = reports.answer(actor, args.id, answers) if answers else reports.form(actor, args.id)
    if args.csv:
        write_file(args.csv, form.as_csv().encode("utf-8", "replace"))
    if args.pdf:
        write_file(args.pdf, reports.pdf(actor, args.id))
    told = form.to_json()

    def text() -> str:
        lines, section = [], ""
        for one in told["fields"]:
            if one["section"] != section:
                section = one["section"]
                lines += ["", section]
            lines.append(f"  {one['name']:<18} {form.text(one['name']) or '-'}")
        return "\n".join([*lines[1:], "", f"not answered: {', '.join(told['missing']) or 'nothing'}"])

    context.say(views.readable(told), text)
    return 0


def _log(context: Context, args: argparse.Namespace) -> int:
    found = context.app.cases.reports.log(context.actor(), args.year)
    table = found.pop("csv")
    if args.csv:
        write_file(args.csv, table.encode("utf-8", "replace"))

    def text() -> str:
        lines = [
            f"{one['id']}  {one['discovered_on']}  {one['people']:>4} people  "
            f"{'told ' + one['told_on'] if one['told_on'] else 'not told yet':<16} {one['title']}"
            for one in found["breaches"]
        ]
        lines += [f"{one}  not decided by two persons yet" for one in found["undecided"]]
        return "\n".join([f"HHS is told of each by {found['due_on']}", *(lines or ["no breach"])])

    context.say(views.readable(found), text)
    return 0


def _answer(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or name not in NAMED:
        raise argparse.ArgumentTypeError(f"write NAME=ANSWER, of {', '.join(NAMED)}")
    return name, value


def _one(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="a breach's id, as `breach list` shows it")
    acting(parser)


def _configure_letters(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    parser.add_argument("--out", required=True, metavar="DIR", help="a new or empty folder")


def _configure_letter(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    parser.add_argument("patient", metavar="PATIENT", help="an id, as `breach patients` shows it")
    parser.add_argument("--pdf", metavar="FILE", help="write it as PDF/A too")


def _configure_public(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    parser.add_argument("--state", metavar="XX", help="the media of one State only")
    parser.add_argument(
        "--pdf", metavar="FILE", help="write that, or without a State the substitute notice, as PDF/A"
    )


def _configure_hhs(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    parser.add_argument(
        "--set",
        action="append",
        type=_answer,
        default=[],
        metavar="NAME=ANSWER",
        help="answer a question; repeat. --json shows the choices; an empty answer takes one back",
    )
    parser.add_argument("--csv", metavar="FILE", help="write the form as a table")
    parser.add_argument("--pdf", metavar="FILE", help="write the form as PDF/A")


def _configure_log(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("year", type=int, help="the calendar year of discovery")
    parser.add_argument("--csv", metavar="FILE", help="write every answer of each form as a table")
    acting(parser)


_NOTICE = ("breach.notice",)
VERBS = (
    Verb(
        ("breach", "letters"), "a letter to each patient", _letters, _configure_letters, ("breach.letters",)
    ),
    Verb(("breach", "letter"), "one that was made", _letter, _configure_letter, ("breach.letter",)),
    Verb(("breach", "public"), "for the media, and to be posted", _public, _configure_public, _NOTICE),
    Verb(("breach", "hhs"), "what the portal of HHS asks", _hhs, _configure_hhs, ("breach.hhs",)),
    Verb(("breach", "log"), "a year's, of under 500 people", _log, _configure_log, ("breach.log",)),
)
