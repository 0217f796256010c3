"""The audit log, or a period of it, as others read it: streamed, and on record before the first line."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from api.auditing.entry import Entry, Walk
from api.auditing.forms import cef, dicom, fhir, ocsf, plain
from api.auditing.forms.about import About
from api.auditing.period import Period
from api.auditing.projection import Projection
from api.errors import BadInput
from archiver.vault import Vault
from search.access import AccessDenied, Gate
from search.actors import Action, Actor

FORMATS: Final = ("json", "csv", "fhir", "dicom", "ocsf", "cef")
MEDIA: Final = {
    "json": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "fhir": "application/fhir+ndjson",
    "dicom": "application/xml; charset=utf-8",
    "ocsf": "application/x-ndjson",
    "cef": "text/plain; charset=utf-8",
}
"""What each format is served as."""
_OURS: Final = ("json", "csv")
"""The forms of `audit list`: who may read the log reads in them what is sealed in it, unless told not to."""


def about(vault: Vault, projection: Projection, *, phi: bool = False) -> About:
    """What exports say of this archive."""
    return About(
        archive=vault.archive_id,
        version=_version(),
        url=vault.settings.url,
        host=socket.gethostname() or "localhost",
        token=projection.token,
        phi=phi,
    )


def lines(entry: Entry, form: str, about_: About) -> Iterator[str]:
    """An entry in a format other than CSV: lines without ends; several where it has one for each patient."""
    if form == "json":
        yield _json(plain.document(entry, about_))
    elif form == "fhir":
        yield from (_json(one) for one in fhir.events(entry, about_))
    elif form == "dicom":
        yield from dicom.messages(entry, about_)
    elif form == "ocsf":
        yield _json(ocsf.event(entry, about_))
    elif form == "cef":
        yield cef.line(entry, about_)
    else:
        raise BadInput(f"the format must be one of {', '.join(FORMATS)}")


class AuditExport:
    """Exports of one archive's audit log. Safe from any thread."""

    def __init__(self, vault: Vault, gate: Gate, projection: Projection) -> None:
        self._vault = vault
        self._gate = gate
        self._projection = projection

    def stream(
        self, actor: Actor, form: str, period: Period | None = None, *, phi: bool | None = None
    ) -> Iterator[str]:
        """The entries of a period, or all, as lines with their ends, up to the very entry of this export.

        `phi` says whether what is sealed (queries, names, patients by roster id) is in it; by default only in
        the forms of our own. Raises BadInput, AccessDenied (the role, or the setting `audit_phi`), on record,
        before it returns; LedgerError in the middle of the stream.
        """
        self._gate.require(actor, Action.AUDIT_READ)
        detail: dict[str, Any] = {"format": form, **(period or Period()).to_json()}
        if form not in FORMATS:
            self._gate.record(actor, Action.AUDIT_READ, "failed", reason=BadInput.audit_code, detail=detail)
            raise BadInput(f"the format must be one of {', '.join(FORMATS)}")
        never = self._vault.settings.audit_phi == "never"
        if phi and never:
            self._gate.record(actor, Action.AUDIT_READ, "denied", reason="phi_never", detail=detail)
            raise AccessDenied("the setting audit_phi lets nothing that is sealed leave by an export")
        with_phi = not never and (form in _OURS if phi is None else phi)
        own = self._gate.record(
            actor,
            Action.AUDIT_READ,
            "success",
            reason=f"export.{form}",
            detail={**detail, "phi": with_phi},
        )
        start, stop = 0, own + 1
        if period is not None and (period.from_us is not None or period.before_us is not None):
            self._projection.follow()
            start, stop = self._projection.span(period.from_us, period.before_us)
            stop = min(stop, own + 1)
        about_ = about(self._vault, self._projection, phi=with_phi)
        wanted: Callable[[Entry], bool] = (
            (lambda _: True) if period is None else (lambda e: period.holds(e.at_us))
        )
        entries = (one for one in Walk(self._vault).all(start, stop) if wanted(one))
        if form == "csv":
            return _table(entries, about_)
        return (f"{line}\n" for one in entries for line in lines(one, form, about_))


def _table(entries: Iterator[Entry], about_: About) -> Iterator[str]:
    yield plain.csv_line(plain.COLUMNS)
    for one in entries:
        yield plain.csv_line(plain.row(one, about_))


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    # Ends of lines to some readers of JSON Lines, though not to JSON.
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").replace("\x85", "\\u0085")


def _version() -> str:
    try:
        return version("holdfast")
    except PackageNotFoundError:
        return "0"
