"""The services of patients' requests, disclosures and breaches, wired as one: `App.cases`."""

from __future__ import annotations

from dataclasses import dataclass

from archiver.vault import Vault
from retention.breaches.breaches import Breaches
from retention.breaches.letters import BreachLetters
from retention.breaches.papers import BreachPapers
from retention.breaches.reports import BreachReports
from retention.breaches.rows import Rows as BreachRows
from retention.cases.reminders import Reminders, open_requests
from retention.disclosures.accounting import Disclosures
from retention.disclosures.book import Book
from retention.requests.appeals import Appeals
from retention.requests.finding import Finding
from retention.requests.letters import Letters
from retention.requests.requests import Requests
from retention.requests.review import Review
from search.access import Gate
from search.approving.approvals import Approvals
from search.productions import Productions
from search.reading_room import ReadingRoom


@dataclass(frozen=True, slots=True)
class Cases:
    """Every service of cases of one opened archive."""

    requests: Requests
    finding: Finding
    review: Review
    letters: Letters
    appeals: Appeals
    disclosures: Disclosures
    breaches: Breaches
    papers: BreachPapers
    breach_letters: BreachLetters
    reports: BreachReports
    reminders: Reminders
    breach_rows: BreachRows
    vault: Vault

    def remind(self) -> dict[str, int]:
        """Remind of what comes due: the job. `{queued, sent}`; safe to kill anywhere."""
        return self.reminders.run([*open_requests(self.vault), *self.breach_rows.due()])


def cases_of(
    vault: Vault, gate: Gate, room: ReadingRoom, exports: Productions, book: Book, approvals: Approvals
) -> Cases:
    """Wire them."""
    letters = Letters(vault, gate)
    disclosures = Disclosures(vault, gate, book)
    breach_letters = BreachLetters(vault, gate)
    return Cases(
        requests=Requests(vault, gate, book, letters),
        finding=Finding(vault, gate, room),
        review=Review(vault, gate, room, exports, disclosures, letters, approvals),
        letters=letters,
        appeals=Appeals(vault, gate, letters),
        disclosures=disclosures,
        breaches=Breaches(vault, gate, approvals),
        papers=BreachPapers(vault, gate, book, breach_letters),
        breach_letters=breach_letters,
        reports=BreachReports(vault, gate),
        reminders=Reminders(vault),
        breach_rows=BreachRows(vault),
        vault=vault,
    )
