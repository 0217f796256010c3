"""An account of disclosures on paper and as a table: only what the patient is told (45 CFR 164.528(b))."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from retention.cases.paper import Letter, facts, plain_day, table, text

_COLUMNS = ("date", "last", "times", "recipient", "recipient_address", "what", "purpose", "legal_basis")


def told(account: Mapping[str, Any]) -> dict[str, Any]:
    """An account without what is for staff alone, and without our own ids."""
    kept = {name: value for name, value in account.items() if name != "for_staff"}
    kept["disclosures"] = [{name: line[name] for name in _COLUMNS} for line in account["disclosures"]]
    return kept


def as_csv(account: Mapping[str, Any]) -> str:
    """An account as CSV with a head line."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(_COLUMNS)
    for line in account["disclosures"]:
        writer.writerow([safe_cell(line[name]) for name in _COLUMNS])
    return out.getvalue()


def safe_cell(value: object) -> str:
    """A cell's text: a spreadsheet would run what begins like a formula."""
    cell = str(value)
    return "'" + cell if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def as_letter(
    account: Mapping[str, Any],
    organisation: str,
    contact: str,
    *,
    request_id: str = "",
    requester: Mapping[str, str] | None = None,
) -> Letter:
    """An account as a letter: to the patient, or of a request to who asked, `{name, address, asker}`."""
    lines = account["disclosures"]
    name = account["patient"]["name"]
    to: tuple[str, ...] = (name,)
    herself = True
    if requester is not None:
        to = (requester["name"], *filter(None, requester["address"].splitlines()))
        herself = requester["asker"] == "patient"
    whose = "your health information" if herself else f"the health information of {name}"
    born = account["patient"]["born"]
    blocks = [
        text(
            f"This is the account of disclosures of {whose} that you asked for (45 CFR 164.528). "
            f"It covers {plain_day(account['from'])} to {plain_day(account['until'])}."
        ),
        facts(
            [
                ("Patient", str(name)),
                ("Born", ", ".join(born) if isinstance(born, list) else str(born or "not known")),
                ("Asked for on", plain_day(account["asked_on"])),
            ]
        ),
    ]
    if lines:
        blocks.append(
            table(
                ("Date", "To", "What", "Purpose"),
                [
                    (
                        _when(line),
                        "\n".join(
                            filter(None, (line["recipient"] or "not known", line["recipient_address"]))
                        ),
                        line["what"],
                        line["purpose"],
                    )
                    for line in lines
                ],
                wide=frozenset({1, 2, 3}),
            )
        )
    else:
        blocks.append(text("From the e-mail archive, nothing was disclosed in this time that we must list."))
    blocks.append(
        text(
            "The rule leaves out disclosures for treatment, payment and health care operations, to "
            "you, and with "
            "your authorization; they are not listed. This account covers the organisation's e-mail archive."
        )
    )
    if contact:
        blocks.append(text(f"If you have questions, ask {contact}."))
    sender = tuple(filter(None, (organisation,)))
    return Letter(
        "Account of disclosures",
        request_id or account["patient"]["id"],
        to,
        sender,
        tuple(blocks),
    )


def pdf(
    archive_id: str, account: Mapping[str, Any], organisation: str, contact: str, made: datetime
) -> bytes:
    """An account as PDF/A-3 with its lines as JSON and CSV attached. Raises StoreError."""
    files = {
        "disclosures.json": (json.dumps(told(account), indent=1).encode(), "the lines, for machines"),
        "disclosures.csv": (as_csv(account).encode("utf-8", "replace"), "the lines, as a table"),
    }
    return as_letter(account, organisation, contact).pdf(archive_id, made, files)


def _when(line: Mapping[str, Any]) -> str:
    if line["times"] == 1:
        return str(line["date"])
    return f"{line['date']}, {line['times']} times until {line['last']}"
