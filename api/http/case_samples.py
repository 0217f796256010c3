"""What `/metrics` says of patients' requests and of breaches: counts, by how their deadlines stand."""

from __future__ import annotations

from collections.abc import Iterator

from api.http.coverage_samples import Sample
from api.http.ports import App


def case_samples(app: App) -> Iterator[Sample]:
    """Open requests and breaches by urgency, and disclosures that nobody has given a legal basis."""
    cases = app.cases
    for name, text, counts in (
        ("holdfast_requests_open", "Patients' requests that aren't answered.", cases.requests.counts()),
        ("holdfast_breaches_open", "Breaches that aren't closed.", cases.breaches.counts()),
    ):
        values = [({"urgency": urgency}, float(number)) for urgency, number in counts.items()]
        yield name, "gauge", f"{text} By how their deadline stands.", values
    unstated = float(cases.disclosures.counts()["unstated"])
    yield "holdfast_disclosures_unstated", "gauge", "Disclosures without a legal basis.", [({}, unstated)]
