"""What each route is called with by the walk, besides its address."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from api.http.routes import API
from tests.api.walk_auditing import AUDIT_CALLS
from tests.api.walk_stage import CHANGE, Stage, fresh_name

Call = Callable[[Stage], dict[str, Any]]
WORD = {"federal": True, "counsel": "Cora", "reason": "memo"}


def _json(**body: Any) -> Call:
    return lambda stage: {"json": {k: v(stage) if callable(v) else v for k, v in body.items()}}


PURPOSE = {"X-Purpose": "legal"}
CALLS: dict[tuple[str, str], Call] = {
    **AUDIT_CALLS,
    ("POST", f"{API}/dispositions/{{id}}/approve"): _json(list_sha256="0" * 64),
    ("POST", f"{API}/dispositions/{{id}}/exclude"): _json(messages=lambda s: [s.message], reason="a lease"),
    ("POST", f"{API}/dispositions/{{id}}/sample"): _json(size=1),
    ("GET", f"{API}/dispositions/{{id}}/sample/{{message}}"): lambda _: {"headers": PURPOSE},
    ("POST", f"{API}/dispositions/{{id}}/sample/{{message}}"): _json(good=True),
    ("POST", f"{API}/extensions"): _json(messages=lambda s: [s.message], years=1, reason="a grant"),
    ("POST", f"{API}/extensions/{{id}}/end"): _json(reason="no need"),
    ("POST", "/dispositions/{id}/exclude"): lambda s: {
        "data": {f"message.{s.message}": "on", "reason": "a lease", "what": "exclude"}
    },
    ("POST", "/dispositions/{id}/sample"): lambda _: {"data": {"size": "1"}},
    ("POST", "/dispositions/{id}/sample/{message}"): lambda _: {"data": {"purpose": "operations"}},
    ("POST", "/dispositions/{id}/mark/{message}"): lambda _: {"data": {"word": "good"}},
    ("POST", f"{API}/search"): _json(query="zebrafinch", purpose="operations"),
    ("POST", f"{API}/search/unsearchable"): _json(query="zebrafinch", purpose="operations"),
    ("POST", f"{API}/searches"): _json(name=fresh_name, query="zebrafinch", purpose="legal"),
    ("POST", f"{API}/searches/{{id}}"): _json(name=fresh_name),
    ("POST", f"{API}/searches/{{id}}/run"): _json(limit=2),
    ("POST", f"{API}/alerts/{{id}}/acknowledge"): _json(messages=lambda s: [s.message]),
    ("POST", f"{API}/tags"): _json(name=fresh_name),
    ("POST", f"{API}/tags/{{id}}/put"): _json(messages=lambda s: [s.message]),
    ("GET", f"{API}/messages/{{id}}/notes"): lambda _: {"headers": PURPOSE},
    ("POST", f"{API}/messages/{{id}}/notes"): _json(text="a word"),
    ("POST", f"{API}/messages/{{id}}/notes/{{note}}"): _json(text="another"),
    ("POST", "/searches"): lambda s: {
        "data": {"name": fresh_name(s), "query": "zebrafinch", "purpose": "legal"}
    },
    ("POST", "/searches/{id}/change"): lambda _: {"data": {"alert": "off"}},
    ("POST", "/alerts/{id}/acknowledge"): lambda _: {"data": {"until": "2060-01-01T00:00:00+00:00"}},
    ("POST", "/unsearchable"): lambda _: {"data": {"query": "zebrafinch", "purpose": "operations"}},
    ("POST", "/tags"): lambda s: {"data": {"name": fresh_name(s)}},
    ("POST", "/messages/{id}/beside"): lambda _: {"data": {"purpose": "operations"}},
    ("POST", "/messages/{id}/tags"): lambda _: {"data": {"tag": "walked", "purpose": "operations"}},
    ("POST", "/messages/{id}/notes"): lambda _: {"data": {"text": "a word", "purpose": "operations"}},
    ("POST", "/messages/{id}/notes/{note}"): lambda _: {"data": {"text": "another", "purpose": "operations"}},
    ("GET", f"{API}/messages/{{id}}"): lambda _: {"headers": PURPOSE},
    ("GET", f"{API}/messages/{{id}}/conversation"): lambda _: {"headers": PURPOSE},
    ("GET", f"{API}/messages/{{id}}/similar"): lambda _: {"headers": PURPOSE},
    ("GET", f"{API}/messages/{{id}}/raw"): lambda _: {"headers": PURPOSE},
    ("POST", f"{API}/matters"): _json(name=fresh_name),
    ("POST", f"{API}/matters/{{id}}/members"): _json(user=lambda s: s.user),
    ("POST", f"{API}/holds"): _json(matter=lambda s: s.matter, custodians=["bea@clinic.example"]),
    ("POST", f"{API}/holds/preview"): _json(matter=lambda s: s.matter, query="zebrafinch"),
    ("POST", f"{API}/holds/{{id}}/change"): _json(
        reason="wider", add=True, custodians=["ann@clinic.example"]
    ),
    ("POST", f"{API}/holds/{{id}}/review"): _json(review_on=None),
    ("POST", f"{API}/matters/{{id}}/notice"): _json(remind_days=3),
    ("POST", "/holds/{id}/change"): lambda _: {
        "data": {"custodians": "ann@clinic.example\nbea@clinic.example", "reason": "wider"}
    },
    ("POST", "/holds/{id}/notices/preview"): lambda _: {},
    ("POST", "/matters/{id}/members"): lambda s: {"data": {"user": s.user}},
    ("POST", "/matters/{id}/notice"): lambda _: {"data": {"remind_days": "3"}},
    ("POST", "/matters"): lambda s: {"data": {"name": fresh_name(s)}},
    ("POST", "/matters/{id}/preview"): lambda _: {"data": {"query": "zebrafinch"}},
    ("POST", "/matters/{id}/holds"): lambda _: {"data": {"custodians": "bea@clinic.example"}},
    ("GET", f"{API}/retention/simulate"): lambda _: {"params": {"on": "2040-01-01"}},
    ("POST", f"{API}/retention/confirmations"): lambda _: {"json": WORD},
    ("POST", f"{API}/retention/policy/previews"): lambda _: {"json": CHANGE},
    ("POST", f"{API}/retention/policy/changes"): lambda s: {
        "json": {"change": CHANGE, "preview": s.previewed(CHANGE)}
    },
    ("POST", f"{API}/retention/policy/entries/{{id}}/refuse"): _json(reason="walk"),
    ("POST", "/retention/explain"): lambda s: {"data": {"id": s.message}},
    ("POST", "/retention/schedules/confirm"): lambda _: {
        "data": {"state": "NC", "counsel": "Cora", "reason": "memo"}
    },
    ("POST", "/retention/schedules/revoke"): lambda s: {"data": {"rule": s.word(), "reason": "memo"}},
    ("POST", "/retention/policy/preview"): lambda _: {
        "data": {"do": "set", "state": "CA", "kind": "years", "value": "15"}
    },
    ("POST", "/retention/policy/change"): lambda s: {
        "data": {"change": json.dumps(CHANGE), "preview": s.previewed(CHANGE)}
    },
    ("POST", "/retention/policy/entries/{id}/refuse"): lambda _: {"data": {"reason": "walk"}},
    ("POST", f"{API}/retention/compute"): _json(record_types=["medical_record"], jurisdictions=["NC"]),
    ("POST", f"{API}/exports"): _json(query="zebrafinch", purpose="legal"),
    ("GET", f"{API}/exports/{{id}}/download"): lambda _: {"headers": PURPOSE},
    ("POST", f"{API}/sources"): _json(kind="journal", name=fresh_name),
    ("POST", f"{API}/users"): _json(name=fresh_name, role="legal"),
    ("POST", f"{API}/corrections"): _json(
        message=lambda s: s.house.ids[2], record_types=["dental"], reason="a tooth"
    ),
    ("POST", f"{API}/corrections/{{n}}/approve"): _json(reason="so it is"),
    ("POST", f"{API}/corrections/{{n}}/refuse"): _json(reason="it is not"),
    ("POST", "/corrections/{id}"): lambda _: {"data": {"type.dental": "yes", "reason": "a tooth"}},
    ("POST", f"{API}/roster/search"): _json(name="Jane Roe", purpose="operations"),
    ("GET", f"{API}/roster/patients/{{id}}"): lambda _: {"headers": PURPOSE},
    ("GET", f"{API}/roster/ambiguous"): lambda _: {"headers": PURPOSE},
    ("GET", f"{API}/roster/decisions"): lambda _: {"headers": PURPOSE},
    ("POST", f"{API}/roster/decisions"): _json(
        message=lambda s: s.about, about=["MRN-1"], reason="her birth date"
    ),
    ("POST", f"{API}/roster/decisions/undo"): _json(message=lambda s: s.decided[0]),
    **{
        ("POST", f"{API}/patients/{what}"): _json(patient="MRN-1", purpose="operations")
        for what in ("search", "timeline", "providers")
    },
    ("POST", "/patients/mail"): lambda _: {"data": {"patient": "MRN-1", "purpose": "operations"}},
    ("POST", f"{API}/units"): _json(name=fresh_name, domains=["clinic.example"], states=["NC"]),
    ("POST", f"{API}/units/{{id}}"): _json(states=["NY"]),
    ("POST", "/patients"): lambda _: {"data": {"name": "Jane Roe", "purpose": "operations"}},
    ("POST", "/patients/ambiguous"): lambda _: {"data": {"purpose": "operations"}},
    ("POST", "/patients/decisions"): lambda _: {"data": {"purpose": "operations"}},
    ("POST", "/patients/decide"): lambda s: {"data": {"message": s.about, "none": "y", "reason": "no"}},
    ("POST", "/patients/undo"): lambda s: {"data": {"message": s.decided[1]}},
    ("POST", "/units"): lambda s: {
        "data": {"name": fresh_name(s), "domains": "clinic.example", "provider": "physician"}
    },
    ("POST", "/units/{id}"): lambda _: {"data": {"domains": "clinic.example", "states": "NC"}},
    ("POST", "/search"): lambda _: {"data": {"query": "zebrafinch", "purpose": "operations"}},
    ("POST", "/messages/{id}"): lambda _: {"data": {"purpose": "operations"}},
    ("POST", "/messages/{id}/raw"): lambda _: {"data": {"purpose": "operations"}},
    ("POST", "/messages/{id}/conversation"): lambda _: {"data": {"purpose": "operations"}},
    ("POST", "/messages/{id}/similar"): lambda _: {"data": {"purpose": "operations"}},
    ("POST", "/users"): lambda s: {"data": {"name": fresh_name(s), "role": "legal"}},
}
"""What a call needs besides its address."""
