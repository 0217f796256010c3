"""What the routes of patients' requests, disclosures and breaches leave on record (see `api.http.routes`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from api.http.audited import API, Audited
from search.actors import Action

_AGREED: Final = "approval.approve"
_SHOW: Final = ("request.show",)
_ITEMS: Final = ("request.items", "search.query", "search.results")
_BREACH: Final = ("breach.show", "breach.notice")
_BOOK: Final = ("disclosure.list", "disclosure.suspensions")
_EXPORTED: Final = ("export.create", "export.status")


def _worked(step: str, *more: str) -> Audited:
    return Audited((f"request.{step}", *more), Action.REQUEST_WORK)


def _on_breach(step: str, *more: str, needs: Action = Action.BREACH_WORK) -> Audited:
    return Audited((f"breach.{step}", *more), needs)


CASES: Final[Mapping[tuple[str, str], Audited]] = {
    ("GET", f"{API}/requests"): Audited(("request.list",), Action.REQUEST_READ),
    ("POST", f"{API}/requests"): _worked("open"),
    ("GET", f"{API}/requests/{{id}}"): Audited(_SHOW, Action.REQUEST_READ),
    ("POST", f"{API}/requests/{{id}}"): _worked("change"),
    ("POST", f"{API}/requests/{{id}}/extend"): _worked("extend"),
    ("POST", f"{API}/requests/{{id}}/search"): _worked("search"),
    ("GET", f"{API}/requests/{{id}}/items"): Audited(_ITEMS, Action.REQUEST_WORK),
    ("POST", f"{API}/requests/{{id}}/marks"): _worked("mark"),
    ("POST", f"{API}/requests/{{id}}/deny"): _worked("deny"),
    ("POST", f"{API}/requests/{{id}}/approve"): Audited(("request.approve", _AGREED), Action.REQUEST_DECIDE),
    ("POST", f"{API}/requests/{{id}}/produce"): _worked("produce", *_EXPORTED),
    ("POST", f"{API}/requests/{{id}}/account"): _worked("account", "disclosure.account"),
    ("POST", f"{API}/requests/{{id}}/letters"): _worked("letter"),
    ("GET", f"{API}/requests/{{id}}/letters/{{letter}}"): Audited(("request.letter",), Action.REQUEST_READ),
    ("GET", f"{API}/requests/{{id}}/letters/{{letter}}/pdf"): Audited(
        ("request.letter",), Action.REQUEST_READ
    ),
    **{
        ("POST", f"{API}/requests/{{id}}/{step}"): _worked(step)
        for step in ("withdraw", "appeal", "appealed", "close")
    },
    ("POST", f"{API}/exports/{{id}}/recipient"): Audited(("export.recipient",), Action.EXPORT),
    ("GET", f"{API}/disclosures"): Audited(("disclosure.list",), Action.DISCLOSURE_READ),
    ("POST", f"{API}/disclosures"): Audited(("disclosure.record",), Action.DISCLOSURE_MANAGE),
    **{
        ("POST", f"{API}/disclosures/account{form}"): Audited(("disclosure.account",), Action.DISCLOSURE_READ)
        for form in ("", "/csv", "/pdf")
    },
    ("POST", f"{API}/disclosures/{{id}}/statement"): Audited(("disclosure.state",), Action.DISCLOSURE_MANAGE),
    ("GET", f"{API}/suspensions"): Audited(("disclosure.suspensions",), Action.DISCLOSURE_READ),
    ("POST", f"{API}/suspensions"): Audited(("disclosure.suspend",), Action.DISCLOSURE_MANAGE),
    ("POST", f"{API}/suspensions/{{id}}/end"): Audited(("disclosure.resume",), Action.DISCLOSURE_MANAGE),
    ("GET", f"{API}/breaches"): Audited(("breach.list",), Action.BREACH_READ),
    ("POST", f"{API}/breaches"): _on_breach("open"),
    ("GET", f"{API}/breaches/{{id}}"): Audited(("breach.show",), Action.BREACH_READ),
    ("POST", f"{API}/breaches/{{id}}/exposure"): _on_breach("expose"),
    ("GET", f"{API}/breaches/{{id}}/patients"): _on_breach("patients", needs=Action.BREACH_READ),
    ("POST", f"{API}/breaches/{{id}}/assessment"): _on_breach("assess"),
    ("POST", f"{API}/breaches/{{id}}/decision"): _on_breach("decide", needs=Action.BREACH_DECIDE),
    ("POST", f"{API}/breaches/{{id}}/confirm"): _on_breach("confirm", _AGREED, needs=Action.BREACH_DECIDE),
    ("POST", f"{API}/breaches/{{id}}/delay"): _on_breach("delay"),
    ("POST", f"{API}/breaches/{{id}}/told"): _on_breach("told"),
    ("GET", f"{API}/breaches/{{id}}/notice"): _on_breach("notice", needs=Action.BREACH_READ),
    ("POST", f"{API}/breaches/{{id}}/notice"): _on_breach("notice"),
    ("GET", f"{API}/breaches/{{id}}/notice.pdf"): _on_breach("notice", needs=Action.BREACH_READ),
    ("POST", f"{API}/breaches/{{id}}/package"): _on_breach("package"),
    ("POST", f"{API}/breaches/{{id}}/close"): _on_breach("close"),
    ("POST", f"{API}/breaches/{{id}}/letters"): _on_breach("letters"),
    ("POST", f"{API}/breaches/{{id}}/letter"): _on_breach("letter", needs=Action.BREACH_READ),
    ("POST", f"{API}/breaches/{{id}}/letter/pdf"): _on_breach("letter", needs=Action.BREACH_READ),
    **{
        ("GET", f"{API}/breaches/{{id}}/{form}"): _on_breach("notice", needs=Action.BREACH_READ)
        for form in ("public", "public.pdf")
    },
    **{
        ("GET", f"{API}/breaches/{{id}}/{form}"): _on_breach("hhs", needs=Action.BREACH_READ)
        for form in ("hhs", "hhs.csv", "hhs.pdf")
    },
    ("POST", f"{API}/breaches/{{id}}/hhs"): _on_breach("hhs"),
    **{
        ("GET", f"{where}/breach-log{form}"): _on_breach("log", needs=Action.BREACH_READ)
        for where in ("", API)
        for form in ("", ".csv")
    },
    # --- the desk
    ("GET", "/breaches/{id}/papers"): _on_breach(
        "show", "breach.notice", "breach.hhs", needs=Action.BREACH_READ
    ),
    ("POST", "/breaches/{id}/letters"): _on_breach("letters"),
    ("POST", "/breaches/{id}/letter"): _on_breach("letter", needs=Action.BREACH_READ),
    ("GET", "/breaches/{id}/public.pdf"): _on_breach("notice", needs=Action.BREACH_READ),
    ("POST", "/breaches/{id}/hhs"): _on_breach("hhs"),
    ("GET", "/breaches/{id}/hhs.csv"): _on_breach("hhs", needs=Action.BREACH_READ),
    ("GET", "/breaches/{id}/hhs.pdf"): _on_breach("hhs", needs=Action.BREACH_READ),
    ("GET", "/requests"): Audited(("request.list",), Action.REQUEST_READ),
    ("POST", "/requests"): _worked("open", "request.list"),
    ("GET", "/requests/{id}"): Audited(_SHOW, Action.REQUEST_READ),
    ("POST", "/requests/{id}/items"): Audited(_ITEMS, Action.REQUEST_WORK),
    ("POST", "/requests/{id}/marks"): _worked("mark", *_ITEMS),
    **{
        ("POST", f"/requests/{{id}}/{step}"): _worked(step, *_SHOW)
        for step in ("change", "extend", "search", "deny", "withdraw", "appeal", "appealed", "close")
    },
    ("POST", "/requests/{id}/approve"): Audited(("request.approve", _AGREED, *_SHOW), Action.REQUEST_DECIDE),
    ("POST", "/requests/{id}/produce"): _worked("produce", *_EXPORTED, *_SHOW),
    ("POST", "/requests/{id}/download"): Audited((*_SHOW, "export.download"), Action.REQUEST_READ),
    ("POST", "/requests/{id}/account"): _worked("account", "disclosure.account", *_SHOW),
    ("POST", "/requests/{id}/letters"): _worked("letter", *_SHOW),
    ("GET", "/requests/{id}/letters/{letter}"): Audited(("request.letter",), Action.REQUEST_READ),
    ("GET", "/disclosures"): Audited(_BOOK, Action.DISCLOSURE_READ),
    ("POST", "/disclosures"): Audited(("disclosure.account", *_BOOK), Action.DISCLOSURE_READ),
    ("POST", "/disclosures/record"): Audited(("disclosure.record", *_BOOK), Action.DISCLOSURE_MANAGE),
    ("POST", "/disclosures/{id}/statement"): Audited(("disclosure.state", *_BOOK), Action.DISCLOSURE_MANAGE),
    ("POST", "/suspensions"): Audited(("disclosure.suspend", *_BOOK), Action.DISCLOSURE_MANAGE),
    ("POST", "/suspensions/{id}/end"): Audited(("disclosure.resume", *_BOOK), Action.DISCLOSURE_MANAGE),
    ("GET", "/breaches"): Audited(("breach.list",), Action.BREACH_READ),
    ("POST", "/breaches"): _on_breach("open", "breach.list"),
    ("GET", "/breaches/{id}"): Audited(_BREACH, Action.BREACH_READ),
    ("POST", "/breaches/{id}/exposure"): _on_breach("expose", *_BREACH),
    ("POST", "/breaches/{id}/patients"): _on_breach("patients", needs=Action.BREACH_READ),
    ("POST", "/breaches/{id}/assessment"): _on_breach("assess", *_BREACH),
    ("POST", "/breaches/{id}/decision"): _on_breach("decide", *_BREACH, needs=Action.BREACH_DECIDE),
    ("POST", "/breaches/{id}/confirm"): _on_breach("confirm", _AGREED, *_BREACH, needs=Action.BREACH_DECIDE),
    ("POST", "/breaches/{id}/delay"): _on_breach("delay", *_BREACH),
    ("POST", "/breaches/{id}/told"): _on_breach("told", *_BREACH),
    ("POST", "/breaches/{id}/notice"): _on_breach("notice", *_BREACH),
    ("GET", "/breaches/{id}/notice.pdf"): _on_breach("notice", needs=Action.BREACH_READ),
    ("POST", "/breaches/{id}/package"): _on_breach("package", *_BREACH),
    ("POST", "/breaches/{id}/close"): _on_breach("close", *_BREACH),
}
