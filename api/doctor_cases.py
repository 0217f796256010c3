"""What `doctor` says of patients' requests, disclosures and breaches: what is overdue, and what isn't set."""

from __future__ import annotations

from collections.abc import Iterator

from api.cases import Cases
from api.doctor_doors import Finding
from config.settings import Settings


def case_findings(cases: Cases, settings: Settings) -> Iterator[Finding]:
    """Every finding about cases."""
    late = cases.requests.counts()
    yield (
        "164.524(b)(2), 164.528(c) answers to patients' requests",
        not late["overdue"],
        f"no request is overdue; {late['soon']} end within seven days, {late['in_time']} later",
        f"{late['overdue']} of the patients' requests are overdue; `holdfast requests list` names them",
    )
    notices = cases.breaches.counts()
    yield (
        "164.404 to 164.410 notices of breaches",
        not notices["overdue"],
        f"no notice of a breach is overdue; {notices['soon'] + notices['in_time']} breaches are open",
        f"{notices['overdue']} breaches have notices that are overdue; `holdfast breach list` names them",
    )
    unstated = cases.disclosures.counts()["unstated"]
    yield (
        "164.528(b)(2) accounting of disclosures",
        not unstated,
        "every disclosure in the book has a legal basis",
        f"{unstated} disclosures have no legal basis; `holdfast disclosures list --unstated` names them",
    )
    lacking = [
        name
        for name, value in (
            ("organisation", settings.organisation),
            ("privacy_contact", settings.privacy_contact),
            ("cases_to", settings.cases_to),
            ("notice_relay", settings.notice_relay),
        )
        if not value
    ]
    yield (
        "164.524(d)(2)(iii), 164.404(c)(1)(E) whom to ask and to complain to",
        not lacking,
        "letters name the organisation and whom to ask, and somebody is reminded of deadlines",
        f"not set: {', '.join(lacking)}; letters to patients lack them, or nobody is reminded of deadlines",
    )
