"""What the commands of cases share: how a patient and a day are named, how a deadline stands, files."""

from __future__ import annotations

import argparse
from datetime import date
from pathlib import Path
from typing import Any

from api.cli.verb import UsageError
from archiver.store import durable
from retention.patients.whom import Whom


def standing(one: dict[str, Any]) -> str:
    """How a deadline stands, in words."""
    if one["urgency"] == "closed":
        return str(one.get("outcome") or "closed")
    days = one["days_left"]
    return f"overdue {-days} days" if one["urgency"] == "overdue" else f"{days} days left"


def whom_of(args: argparse.Namespace) -> Whom:
    """The patient whom a command's options name."""
    return Whom(args.patient or "", args.patient_name or "", args.born or "", args.patient_address or "")


def naming(parser: argparse.ArgumentParser) -> None:
    """Add the options that name a patient."""
    parser.add_argument("--patient", help="a record number, SSN or plan number, or an id")
    parser.add_argument("--patient-name", help="the patient's first and last name, with --born")
    parser.add_argument("--born", metavar="YYYY-MM-DD", help="the patient's birth date")
    parser.add_argument("--patient-address", help="the patient's e-mail address")


def day(text: str) -> date:
    """A day of an option."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("a day is written like 2026-03-01") from None


def write_file(path: str, data: bytes) -> None:
    """Write a document where its reader says; a file that is there already stays. Raises UsageError."""
    if Path(path).exists():
        raise UsageError("there is a file of that name already; name another one")
    try:
        durable.write_pieces(Path(path), [data])
    except OSError as error:
        raise UsageError(f"the file can't be written there: {error.strerror}") from None
