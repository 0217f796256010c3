"""`classify`: what is in a file, by the rules of the archive. It needs no archive and keeps nothing."""

from __future__ import annotations

import argparse
from bisect import bisect_right
from pathlib import Path
from typing import Any, Final

from api.cli.verb import Context, UsageError, Verb
from archiver.classify import Classification, Classifier, Person, RosterBook, text_of
from archiver.classify.reasons import reason
from archiver.message.charsets import decode_bytes
from archiver.message.model import ParsedMessage
from archiver.message.parse import parse
from retention.roster.csv_file import Row
from retention.roster.patient import Patient
from retention.roster.reading import How, files_of, read

_MOST_TOLD: Final = 10


def _classify(context: Context, args: argparse.Namespace) -> int:
    forms = context.settings.record_number_forms
    with context.progress() as bar:
        roster = _roster(Path(args.roster), bar) if args.roster else None
        classifier = Classifier(roster=roster, record_numbers=forms)
        task = bar.add_task("classifying", total=len(args.files))
        unread = []
        for number, name in enumerate(args.files, 1):
            try:
                raw = Path(name).read_bytes()
            except (OSError, ValueError) as error:
                unread.append(f"number {number} {_trouble(error)}")
            else:
                item = decode_bytes(raw)[0] if args.text else parse(raw)
                document, text = _described(name, item, classifier.classify(item))
                context.say(document, text)
            bar.advance(task)
    if unread:
        # By its number: a name may be a patient's, and errors are kept in logs.
        told = ", ".join(unread[:_MOST_TOLD]) + (", and others" if len(unread) > _MOST_TOLD else "")
        raise UsageError(
            f"{len(unread)} of {len(args.files)} files couldn't be read: {told}; the rest was looked at"
        )
    return 0


def _trouble(error: Exception) -> str:
    if isinstance(error, IsADirectoryError):
        return "is a folder (give the files in it)"
    if isinstance(error, PermissionError):
        return "may not be read by you"
    return "isn't there (check the spelling)" if isinstance(error, FileNotFoundError) else "can't be read"


def _roster(path: Path, bar: Any) -> RosterBook:
    """Read a roster, CSV or FHIR, a file or a folder. Raises RosterError naming where, never what."""
    files = files_of(path)
    task = bar.add_task("roster", total=sum(file.size for file in files))
    people = []
    for file in files:
        for item in read(file, How(), lambda count: bar.advance(task, count)):
            patient = item.patient if isinstance(item, Row) else item
            if isinstance(patient, Patient):
                people.append(Person(patient.all_names, patient.all_numbers))
    return RosterBook(people)


def _described(name: str, item: ParsedMessage | str, found: Classification) -> tuple[dict[str, Any], str]:
    """The findings as JSON values, and as text for people: by line, each with its reason in words."""
    text = item if isinstance(item, str) else text_of(item)
    unread = () if isinstance(item, str) else tuple((p.path, p.text_status) for p in item.parts)
    unread = tuple((path, status) for path, status in unread if status not in ("indexed", "empty"))
    document = {
        "file": name,
        "phi": [finding._asdict() for finding in found.phi],
        "record_types": [
            {"type": r.type, "confidence": r.confidence, "why": r.why} for r in found.record_types
        ],
        "jurisdictions": list(found.jurisdictions),
        "language": found.language,
        "not_read": [{"part": path, "why": status} for path, status in unread],
    }
    lines = [f"{name}: {len(found.phi)} pieces of patient information, language {found.language}"]
    lines += [f"  record type {r.type}, confidence {r.confidence:.2f}: {r.why}" for r in found.record_types]
    if found.jurisdictions:
        lines.append(f"  States: {', '.join(found.jurisdictions)}")
    starts = [0, *(at + 1 for at, char in enumerate(text) if char == "\n")]
    width = max((len(finding.type) for finding in found.phi), default=0)
    for finding in found.phi:
        value = " ".join(finding.text.split()) or "(no text)"
        where = f"line {bisect_right(starts, finding.start)}"
        lines.append(f"  {where:<9} {finding.type:<{width}}  {value}: {reason(finding.why)}")
    lines += [f"  part {path} could not be read ({status}); it may hold anything" for path, status in unread]
    return document, "\n".join(lines)


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="a message, or plain text with --text")
    parser.add_argument("--text", action="store_true", help="the files are plain text, not messages")
    parser.add_argument(
        "--roster", metavar="FILE", help="patients to know by name and record number: CSV or FHIR"
    )


VERBS = (
    Verb(("classify",), "what is in a file, and why; needs no archive, keeps nothing", _classify, _configure),
)
