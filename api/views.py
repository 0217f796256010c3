"""The JSON documents that the command line and the HTTP API share: one shape each, built in one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from functools import reduce
from typing import Any

from archiver.archive import Opened, Record
from archiver.capture.journal.guards import guards_shown
from archiver.clock import from_us, rfc3339
from archiver.coverage.counts import Counts
from archiver.coverage.gaps import Gap
from archiver.coverage.watch import Watch
from archiver.message.content import sha256
from archiver.message.envelope import merge_envelopes
from archiver.message.model import Envelope
from archiver.sources import Source, Sources
from archiver.store import standing
from archiver.vault import Vault
from retention.clock.result import Result
from retention.dating.verdicts import Verdicts
from search.access import Scope
from search.engine.views import Histogram
from search.facets import FacetList
from search.language.highlight import as_html
from search.results import Item, Page, Related

Document = dict[str, Any]


def readable(value: Any) -> Any:
    """The same document with what no JSON reader takes, lone surrogates, shown as U+FFFD.

    Headers keep undecodable bytes as surrogates, so that nothing is lost inside; the raw bytes are
    the truth and stay at hand.
    """
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return value
    if isinstance(value, dict):
        return {readable(key): readable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [readable(item) for item in value]
    return value


# --- search --------------------------------------------------------------------------------------


def search_page(page: Page) -> Document:
    """A page of results. `total` is exact; `next` is the cursor of the following page, or null."""
    document: Document = readable(
        {
            "query": page.query,
            "interpreted": page.interpreted,
            "total": page.total,
            "items": [search_item(item) for item in page.items],
            "not_searchable": dict(page.not_searchable),
            "unsearched": dict(page.unsearched),
            "masked": page.masked,
            "facets": {facet.name: facet_view(facet) for facet in page.facets} or None,
            "histogram": histogram_view(page.histogram) if page.histogram else None,
            "group": {"by": page.group, "total": page.groups} if page.group else None,
            "ranked_among": page.ranked_among,
            "hints": [{"kind": h.kind, "position": h.position, "text": h.text} for h in page.hints],
            "expansions": [
                {"pattern": each.pattern, "number": each.number, "words": list(each.words)}
                for each in page.expansions
            ],
            "next": page.next,
        }
    )
    return document


def facet_view(facet: FacetList) -> Document:
    """A facet's most frequent values with their counts, and what there is besides them."""
    return {
        "values": [{"value": v.value, "count": v.count, "query": v.query} for v in facet.values],
        "others": {"values": facet.other_values, "messages": facet.other_messages},
        "without": facet.without,
    }


def histogram_view(histogram: Histogram) -> Document:
    """Bars without a gap, each from its day (UTC) to the next one's, and how many lie outside them."""
    return {
        "unit": histogram.unit,
        "bars": [{"from": start.date().isoformat(), "count": count} for start, count in histogram.bars],
        "before": histogram.before,
        "after": histogram.after,
    }


def related_page(related: Related) -> Document:
    """A page of a message's conversation, or of those like it, oldest first."""
    document: Document = readable(
        {
            "id": related.id,
            "by": related.by,
            "total": related.total,
            "items": [search_item(item) for item in related.items],
            "masked": related.masked,
            "next": related.next,
        }
    )
    return document


def search_item(item: Item) -> Document:
    """One line of a page; `snippet` is HTML-escaped text with each hit in `<mark>`."""
    return {
        "id": item.id,
        "sha256": item.sha256,
        "sent_at": item.sent_at,
        "captured_at": item.captured_at,
        "size": item.size,
        "from": item.from_,
        "to": list(item.to),
        "subject": item.subject,
        "snippet": as_html(item.snippet),
        "has_attachment": item.has_attachment,
        "masked": item.masked,
        "members": item.members,
    }


# --- one message ---------------------------------------------------------------------------------


def object_view(
    vault: Vault, opened: Opened, object_id: str, scope: Scope, verdicts: Verdicts | None = None
) -> Document:
    """What `show ID --json` prints of a message or a report, opened by the reading room.

    With `verdicts` its disposal date is computed now; else it is the one last computed. Holds of
    matters outside the scope aren't named.
    """
    if object_id != opened.record.row["id"]:
        return report_view(opened, object_id)
    record = opened.record
    verdict = verdicts.of([record.row["pk"]]).get(record.row["pk"]) if verdicts else None
    return message_view(vault, record, scope, verdict.result if verdict else None)


def report_view(opened: Opened, report_id: str) -> Document:
    """A journal report, or a converted message's own file: hash, size, and the message it is kept beside."""
    brought = next((d for d in opened.record.deliveries if d.report_id == report_id), None)
    captured = opened.record.row["captured_us"] if brought is None else brought.at_us
    return {
        "kind": "original" if brought is not None and brought.detail.get("original") else "report",
        "id": report_id,
        "message": opened.record.row["id"],
        "sha256": sha256(opened.content).hex(),
        "size": opened.size,
        "captured_at": rfc3339(from_us(captured)),
    }


def message_view(vault: Vault, record: Record, scope: Scope, result: Result | None = None) -> Document:
    """A message: what it says, who really got it, where it came from and how long it stays."""
    row, meta = record.row, record.meta
    sources = delivery_sources(vault, record)
    document: Document = readable(
        {
            "kind": "message",
            "id": row["id"],
            "sha256": bytes(row["sha256"]).hex(),
            "size": row["size"],
            "captured_at": rfc3339(from_us(row["captured_us"])),
            "sent_at": rfc3339(from_us(row["sent_us"])),
            "source": sources[0]["source"] if sources else None,
            "folder": sources[0]["folder"] if sources else None,
            "sources": sources,
            "message_id": meta["message_id"],
            "subject": meta["subject"],
            "from": meta["from"],
            "to": meta["to"],
            "cc": meta["cc"],
            "bcc": meta["bcc"],
            "envelope": envelope_view(record),
            "parts": meta["parts"],
            "problems": [*meta["problems"], *meta.get("journal_problems", [])],
            "parse_failed": bool(row["parse_failed"]),
            "record_types": [name for name, _ in meta.get("record_types", [])],
            "record_types_by": meta.get("record_types_by", "rules"),
            "jurisdictions": meta.get("jurisdictions", []),
            "phi": meta.get("phi", []),
            "retention": retention_view(record, result),
            "holds": holds_of(vault, row["pk"], scope),
        }
    )
    return document


def envelope_of(record: Record) -> Envelope:
    """What all deliveries of a message say together: a journal report beats SMTP, SMTP the headers."""
    envelopes = [Envelope.from_dict(d.detail["envelope"]) for d in record.deliveries]
    return reduce(merge_envelopes, envelopes) if envelopes else Envelope()


def envelope_view(record: Record) -> Document:
    """The merged envelope; `reports` are the ids of the journal reports behind it, `originals` those of the
    files (MSG) that the message was converted from."""
    envelope = envelope_of(record)
    reports: list[str] = []
    originals: list[str] = []
    for delivery in record.deliveries:
        if delivery.report_id is not None:
            (originals if delivery.detail.get("original") else reports).append(delivery.report_id)
    return {
        "sender": envelope.sender,
        "on_behalf_of": envelope.on_behalf_of,
        "recipients": [asdict(recipient) for recipient in envelope.recipients],
        "origin": envelope.origin,
        "reports": list(dict.fromkeys(reports)),
        "originals": list(dict.fromkeys(originals)),
    }


def delivery_sources(vault: Vault, record: Record) -> list[Document]:
    """Where each copy came from, oldest first."""
    names: dict[str, str] = {}
    for source_id in dict.fromkeys(d.source_id for d in record.deliveries):
        names[source_id] = vault.sources.get(source_id).name
    return [
        {
            "source": names[d.source_id],
            "source_id": d.source_id,
            "folder": d.detail["folder"],
            "at": rfc3339(from_us(d.at_us)),
            "outcome": d.outcome,
            "report": d.report_id,
        }
        for d in record.deliveries
    ]


def retention_view(record: Record, result: Result | None = None) -> Document:
    """When a message may end and by which rule; without `result`, what its row was last told.

    `retention explain` gives every rule that was considered.
    """
    row = record.row
    due: date | None = row["disposal_date"]
    computed: Document = {
        "disposal_date": due.isoformat() if due else None,
        "permanent": bool(row["permanent"]),
    }
    if result is not None:
        computed = {name: value for name, value in result.to_json().items() if name != "candidates"}
    return {**computed, "anchor": row["anchor"].isoformat(), "anchor_basis": row["anchor_basis"]}


def holds_of(vault: Vault, pk: int, scope: Scope) -> list[Document]:
    """The holds that protect a message now, of the matters in scope."""
    with vault.records.read() as connection:
        placed = standing.protecting(connection, pk)
    return [
        {
            "id": hold["id"],
            "matter": hold["matter"],
            "state": hold["state"],
            "in_force_at": rfc3339(from_us(hold["in_force_us"])),
        }
        for hold in placed
        if scope.everything or hold["matter"] in scope.matters
    ]


# --- sources and the audit log -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SourceCoverage:
    """What is known of a source's completeness. `rows` is given only where they differ from its counters."""

    rows: Counts | None = None
    gaps: Sequence[Gap] = ()
    gaps_open: int = 0


def source_view(source: Source, coverage: SourceCoverage | None = None) -> Document:
    """A source with its reconciliation: `received` is always the sum of the three after it.

    `reconciled` is False when it isn't, or when `coverage` found the rows to say otherwise. `gaps` are the
    newest open ones; `gaps_open` counts them all. A journal feed's `guards` are what it asks of senders.
    """
    coverage = coverage or SourceCoverage()
    adds_up = source.received == source.stored + source.duplicates + source.refused
    return {
        "id": source.id,
        "kind": source.kind,
        "name": source.name,
        "address": source.address,
        "networks": list(source.networks),
        **({"guards": guards_shown(source.detail)} if source.kind == "journal" else {}),
        "received": source.received,
        "stored": source.stored,
        "duplicates": source.duplicates,
        "refused": source.refused,
        "reconciled": adds_up and coverage.rows is None,
        **({} if coverage.rows is None else {"rows_say": asdict(coverage.rows)}),
        "last_seen": source.last_seen,
        "disabled": source.disabled,
        "gaps": [gap.to_json() for gap in coverage.gaps],
        "gaps_open": coverage.gaps_open,
    }


def source_views(watch: Watch, found: Sequence[Source]) -> list[Document]:
    """Sources with their gaps, and whether their counters are what their rows come to."""
    with_gaps = watch.gaps.shown([source.id for source in found])
    rows = watch.differing()
    return [
        source_view(source, SourceCoverage(rows.get(source.id), *with_gaps[source.id])) for source in found
    ]


def source_detail(watch: Watch, sources: Sources, source: Source, limit: int, before: int | None) -> Document:
    """One source with its heartbeat, and a page of what it refused, item by item, newest first."""
    refused = sources.refusals(source.id, limit=limit + 1, before=before)
    more = len(refused) > limit
    pulse = watch.heartbeats.pulses().get(source.id)
    return {
        **source_views(watch, [source])[0],
        "heartbeat": pulse.to_json() if pulse else None,
        "refused_by_reason": sources.refused_by_reason(source.id),
        "refusals": [asdict(refusal) for refusal in refused[:limit]],
        "next": refused[limit - 1].n if more else None,
    }


def audit_entry(index: int, leaf: Document, detail: Document, user_name: str | None = None) -> Document:
    """An entry of the audit log: the leaf as it is in the log, with the sealed detail opened beside it.

    `user_name` is what the user is called; the leaf itself has only the id.
    """
    return {
        "n": index,
        "at": rfc3339(from_us(leaf["at"])),
        **{name: leaf[name] for name in ("action", "outcome", "user", "role", "purpose", "client")},
        "user_name": user_name,
        "objects": leaf["objects"] or detail.get("objects", []),
        "count": leaf["count"],
        "reason": leaf["reason"],
        "detail": {name: value for name, value in detail.items() if name != "objects"},
        "session": leaf.get("session", ""),
    }
