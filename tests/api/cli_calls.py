"""How each verb of the command line is called by the walk: one that isn't in the table fails it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from search.access import Role


@dataclass(frozen=True, slots=True)
class Call:
    """How to call a verb rightly: its arguments, by the ids of a world, as whom, and whether it asks for a
    purpose.

    `wrong` is a role that must be refused; None for what the operator does without signing in.
    """

    args: Callable[[Mapping[str, str]], list[str]]
    role: Role | str | None = None
    wrong: Role | None = None
    purpose: bool = False
    codes: tuple[int, ...] = (0,)


OFFICER, ADMIN, PRIVACY = Role.COMPLIANCE_OFFICER, Role.ADMINISTRATOR, Role.PRIVACY_OFFICER
EMERGENCY = "emergency"
"""The token of a compliance officer who has broken the glass."""
SECOND = "second"
"""The token of another compliance officer than the one who made the world."""


TODAY = "today"
"""Becomes the day of the call: the table is made long before, and midnight may lie between."""


def fixed(*args: str) -> Callable[[Mapping[str, str]], list[str]]:
    def meant(ids: Mapping[str, str]) -> list[str]:
        known = {**ids, TODAY: datetime.now(UTC).date().isoformat()}
        return [known.get(arg.removeprefix("@"), arg) for arg in args]

    return meant


def officer(*args: str, purpose: bool = False, wrong: Role = ADMIN) -> Call:
    return Call(fixed(*args), OFFICER, wrong, purpose)


def privacy(*args: str) -> Call:
    return Call(fixed(*args), PRIVACY, ADMIN)


def operator(*args: str, codes: tuple[int, ...] = (0,)) -> Call:
    return Call(fixed(*args), codes=codes)


CALLS: dict[str, Call] = {
    "init": operator(),
    "serve": operator(),
    "users add": operator("dora", "--role", "legal"),
    "users list": operator(),
    "users disable": operator("lena"),
    "users link": operator("lena"),
    "users sessions": operator("lena"),
    "users end-sessions": operator("lena"),
    "users passkeys": operator("lena"),
    "users remove-passkey": operator("lena", "@passkey"),
    "users token": operator("lena"),
    "users tokens": operator("lena"),
    "users revoke-token": operator("@api_token"),
    "users rotate-token": operator("@api_token"),
    "users identities": operator("lena"),
    "users unlink": operator("@identity"),
    "users role": operator("lena", "records-manager", "--reason", "she changed desks"),
    "grants add": operator("lena", "--kind", "add", "--reason", "the auditor asked for it"),
    "grants list": operator(),
    "grants revoke": operator("@grant", "--reason", "no need of it now"),
    "access review": privacy(),
    "break-glass begin": officer("--everything", "--reason", "an unconscious patient"),
    "break-glass end": Call(fixed(), EMERGENCY, ADMIN),
    "break-glass list": officer(),
    "break-glass review": privacy("@emergency", "--verdict", "justified", "--text", "looked at it all"),
    "approval list": Call(fixed(), OFFICER),
    "approval show": Call(fixed("@approval"), OFFICER),
    "approval approve": Call(fixed("@approval"), OFFICER),
    "approval refuse": Call(fixed("@approval", "--reason", "no need"), OFFICER),
    "approval export": Call(fixed("@approval"), OFFICER),
    "approval verify": operator("@file", codes=(5,)),
    "source add journal": operator("another feed"),
    "source add imap": operator(
        "box", "imaps://u@localhost:9993/INBOX", "--password", "env:NOWHERE", "--folder", "INBOX"
    ),
    "source list": operator(),
    "source show": operator("desk"),
    "source gaps": operator("desk", "--all"),
    "source accept": operator("g1", "--reason", "gone for good"),
    "source disable": operator("feed"),
    "source coverage": operator("--day", TODAY),
    "source heartbeat": operator(
        "feed", "--to", "probe@clinic.example", "--via", "smtp://relay.clinic.example?starttls"
    ),
    "import": operator("@file"),
    "roster import": operator("@roster"),
    "roster status": officer(wrong=PRIVACY),
    "roster list": officer("--name", "Ada Test", purpose=True),
    "roster show": officer("MRN-7077", purpose=True),
    "roster ambiguous": officer(purpose=True),
    "roster decisions": officer(purpose=True),
    "roster decide": officer("@matched", "--about", "MRN-7077", "--reason", "his birth date"),
    "roster undo": officer("@undecided"),
    "patient find": officer("MRN-7077", purpose=True),
    "patient timeline": officer("MRN-7077", purpose=True),
    "patient providers": officer("MRN-7077", purpose=True),
    "requests open": officer("Jo Doe", "--patient", "MRN-7077"),
    "requests list": officer("--all"),
    "requests show": officer("@request_open"),
    "requests change": officer("@request_open", "--fee-cents", "100"),
    "requests extend": officer("@request_open", "--reason", "a large archive"),
    "requests search": officer("@request_open"),
    "requests items": officer("@request_items"),
    "requests mark": officer("@request_marks", "given", "--unmarked"),
    "requests deny": officer("@request_deny", "--reason", "therapy notes"),
    "requests approve": officer("@request_approve"),
    "requests produce": officer("@request_produce"),
    "requests account": officer("@request_account"),
    "requests letter": officer("@request_open", "acknowledgement"),
    "requests close": officer("@request_close"),
    "requests withdraw": officer("@request_extend", "--reason", "she took it back"),
    "requests appeal": officer("@request_appeal", "--reviewer", "Dr Hall, MD"),
    "requests appealed": officer("@request_appealed", "upheld", "--reason", "as before"),
    "disclosures account": privacy("--patient", "MRN-7077"),
    "disclosures list": privacy("--unstated"),
    "disclosures state": privacy("@disclosure", "--legal-basis", "judicial"),
    "disclosures record": privacy(
        "--patient",
        "MRN-7077",
        "--recipient",
        "State Board",
        "--legal-basis",
        "oversight",
        "--what",
        "a call",
    ),
    "disclosures suspend": privacy(
        "--patient",
        "MRN-7077",
        "--legal-basis",
        "oversight",
        "--until",
        "2060-01-01",
        "--written",
        "--statement",
        "so they say",
    ),
    "disclosures suspensions": privacy(),
    "disclosures resume": privacy("@suspension"),
    "breach open": privacy("A loss", "--what", "A disk was lost."),
    "breach list": privacy(),
    "breach show": privacy("@breach_package"),
    "breach expose": privacy("@breach_open", "--user", "operator"),
    "breach patients": privacy("@breach_package"),
    "breach assess": privacy("@breach_open", "nature", "--answer", "none was read", "--risk", "low"),
    "breach decide": privacy("@breach_open", "exception", "--reason", "in good faith"),
    "breach confirm": officer("@breach_confirm"),
    "breach delay": privacy(
        "@breach_open",
        *(
            "--until",
            "2060-01-01",
            "--written",
            "--official",
            "Sgt Hill",
            "--statement",
            "it would impede us",
        ),
    ),
    "breach told": privacy("@breach_told", "individuals", "--on", TODAY, "--how", "by post"),
    "breach notice": privacy("@breach_package", "--doing", "All passwords were changed."),
    "breach package": privacy("@breach_package", "--out", "@package"),
    "breach close": privacy("@breach_close"),
    "breach letters": privacy("@breach_letters", "--out", "@letters"),
    "breach letter": privacy("@breach_letter", "@exposed"),
    "breach public": privacy("@breach_package"),
    "breach hhs": privacy("@breach_package", "--set", "entity_city=Raleigh"),
    "breach log": privacy("2026"),
    "unit add": operator("Dental", "--domain", "dental.example", "--state", "NC", "--provider", "dentist"),
    "unit set": operator("Walk-in", "--state", "NY,NC"),
    "unit remove": operator("Walk-in"),
    "unit list": officer(wrong=PRIVACY),
    "unit show": officer("Walk-in", wrong=PRIVACY),
    "search": officer("walkmarker", purpose=True),
    "show": officer("@message", "--raw", purpose=True),
    "conversation": officer("@message", purpose=True),
    "similar": officer("@message", purpose=True),
    "saved add": officer("a name", "walkmarker", "--purpose", "legal", "--alert"),
    "saved list": officer(),
    "saved show": officer("@saved"),
    "saved change": officer("@saved", "--name", "another", "--alert", "off"),
    "saved delete": officer("@saved"),
    "alert list": officer(),
    "alert show": officer("@saved", "--every"),
    "alert ack": officer("@saved"),
    "tag create": officer("fresh", "--about", "walk"),
    "tag retire": officer("walked"),
    "tag list": officer(),
    "tag put": officer("walked", "@message"),
    "tag take": officer("walked", "@message"),
    "tag apply": officer("walked", "walkmarker", purpose=True),
    "tag show": officer("@message"),
    "note add": officer("@message", "a word"),
    "note change": officer("@message", "@note", "another"),
    "note withdraw": officer("@message", "@note"),
    "note list": officer("@message", purpose=True),
    "matter create": officer("new matter"),
    "matter list": officer(),
    "matter show": officer("@matter"),
    "matter close": officer("@empty_matter"),
    "matter add-member": officer("@matter", "lena"),
    "hold create": officer("--matter", "@matter", "--query", "walkmarker"),
    "hold preview": officer("--matter", "@matter", "--query", "walkmarker"),
    "hold list": officer(),
    "hold report": officer("@hold"),
    "hold release": officer("@hold"),
    "hold change": officer("@hold", "--custodian", "new@clinic.example", "--reason", "walk"),
    "hold approve": officer("@asked_hold"),
    "hold reinstate": officer("@asked_hold"),
    "hold review": officer("@hold", "--review-on", "2060-01-01"),
    "hold receipt": officer("@hold"),
    "hold notices": officer(),
    "hold notices preview": officer("@asked_hold"),
    "hold notices send": officer("@asked_hold"),
    "hold notices resend": officer("@notice"),
    "hold notices bounced": operator("@file"),
    "matter notice": officer("@matter"),
    "retention explain": officer("@message", wrong=PRIVACY),
    "retention simulate": officer("--on", "2040-01-01", wrong=PRIVACY),
    "retention run": operator(),
    "retention forecast": officer("--years", "3", wrong=PRIVACY),
    "retention schedules confirm": officer("--federal", "--counsel", "Cora", "--reason", "memo"),
    "retention schedules confirmations": officer(wrong=PRIVACY),
    "retention policy show": officer(wrong=PRIVACY),
    "retention policy list": officer("--all", wrong=PRIVACY),
    "retention policy preview": officer("set", "--state", "CA", "--years", "12", wrong=PRIVACY),
    "retention policy set": officer("--state", "CA", "--years", "12", "--yes"),
    "retention policy remove": officer("@term", "--reason", "walk", "--yes"),
    "retention policy option": officer("emancipation", "on", "--reason", "walk", "--yes"),
    "retention policy accept": officer("settings", "--reason", "walk", "--yes"),
    "retention policy approve": officer("@ending", "--reason", "walk", "--yes"),
    "retention policy refuse": officer("@ending", "--reason", "walk"),
    "disposition list": officer(),
    "disposition show": officer("@due"),
    "disposition approve": officer("@due"),
    "disposition reject": officer("@due", "--reason", "not yet"),
    "disposition execute": officer("@approved"),
    "disposition certificate": officer("@executed"),
    "disposition sample": officer("@due", "--size", "2"),
    "disposition review": officer("@sampled", "@sample", purpose=True),
    "disposition mark": officer("@sampled", "@sample", "--ok"),
    "disposition exclude": officer("@due", "--message", "@listed", "--reason", "a lease"),
    "disposition extend": officer("--message", "@listed", "--years", "2", "--reason", "a grant"),
    "disposition extensions": officer(),
    "disposition unextend": officer("@own_term", "--reason", "no need"),
    "compact": operator("--fast"),
    "export create": officer("--query", "walkmarker", purpose=True),
    "export status": officer("@export"),
    "export download": officer(
        "@export", "--out", "@out", "--recipient", "the board", "--legal-basis", "operations", purpose=True
    ),
    "audit list": Call(fixed(), PRIVACY, OFFICER),
    "audit report": Call(fixed(), PRIVACY, OFFICER),
    "audit export": Call(fixed(), PRIVACY, OFFICER),
    "audit proof": Call(fixed("0"), PRIVACY, OFFICER),
    "audit reviews": Call(fixed(), PRIVACY, OFFICER),
    "audit review": Call(fixed("@week"), PRIVACY, OFFICER),
    "audit sign": Call(fixed("@week", "--note", "walk"), PRIVACY, OFFICER),
    "audit watched": Call(fixed(), PRIVACY, OFFICER),
    "audit watch": Call(fixed("MRN-7077", "--reason", "walk"), PRIVACY, OFFICER),
    "audit unwatch": Call(fixed("@watched"), PRIVACY, OFFICER),
    "audit expiries": Call(fixed(), PRIVACY, OFFICER),
    "audit expire": Call(fixed("--reason", "walk"), PRIVACY, OFFICER),
    "audit expire-approve": Call(fixed("@expiry"), PRIVACY, OFFICER),
    "audit expire-refuse": Call(fixed("@expiry"), PRIVACY, OFFICER),
    "audit sinks": operator("--send"),
    "audit rebuild": operator(),
    "ledger status": operator(),
    "ledger keys": operator(),
    "ledger explain-gap": operator("--reason", "an old backup"),
    "ledger show-gap": officer("@gap"),
    "ledger approve-gap": officer("@gap"),
    "verify": operator("--full"),
    "reindex": operator(),
    "keys status": operator(),
    "keys rotate": operator(),
    "doctor": operator(codes=(0, 1)),
    "jobs list": operator(),
    "correction add": officer("@living", "--type", "dental", "--reason", "a tooth"),
    "correction list": officer(),
    "correction show": officer("@message"),
    "correction approve": officer("@corrected"),
    "correction refuse": officer("@corrected"),
    "jobs history": operator(),
    "jobs run": operator("holds.resume"),
    # Touch no archive, or are refused by name until they are built.
    "retention compute": operator("@facts"),
    "retention schedules": operator(),
    "export verify": operator("@exported"),
    "disposition verify": operator("@certificate"),
    "hold check-receipt": operator("@receipt"),
    "classify": operator("@file"),
    "ledger check-gap": operator("@file", "--key", "none", codes=(1,)),
    "witness serve": operator("--folder", "@out", "--listen", "nowhere", codes=(2,)),
    "witness key": operator("--folder", "@out"),
    "witness add-log": operator("--folder", "@out", "none", codes=(1,)),
    "backup create": operator(codes=(2,)),
    "backup verify": operator(codes=(2,)),
    "restore": operator(codes=(2,)),
}

APART: Final = frozenset(
    {
        "init",
        "serve",
        "users disable",
        "users remove-passkey",
        "users revoke-token",
        "users rotate-token",
        "users unlink",
        "users role",
        "grants revoke",
        "break-glass begin",
        "break-glass end",
        "break-glass review",
        "approval approve",
        "approval refuse",
        "source disable",
        "unit remove",
        "roster decide",
        "roster undo",
        "saved delete",
        "tag retire",
        "note withdraw",
        "matter close",
        "hold release",
        "hold change",
        "hold approve",
        "hold reinstate",
        "breach package",
        "breach letters",
        "export download",
        "retention policy set",
        "retention policy remove",
        "retention policy option",
        "retention policy accept",
        "retention policy approve",
        "retention policy refuse",
        "retention schedules confirm",
        "retention run",
        "disposition approve",
        "disposition reject",
        "disposition execute",
        "disposition exclude",
        "disposition extend",
        "disposition unextend",
        "disposition sample",
        "correction approve",
        "correction refuse",
        "audit expire",
        "audit expire-approve",
        "audit expire-refuse",
        "audit rebuild",
        "ledger explain-gap",
        "ledger show-gap",
        "ledger approve-gap",
        "keys rotate",
        "reindex",
        "compact",
        "verify",
        "doctor",
    }
)
"""Verbs that end, or look at, what others need: each is called in a world of its own."""
