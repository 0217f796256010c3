"""How rightly mail is matched to patients: 2,000 of them, each planted once into text that nobody here wrote.

The text is business mail (Enron) and the questions of clinicians (asq-phi), in which the names and numbers
that somebody marked are replaced by a patient's. Half the mail is there before the roster, half comes later.
What must match and what must not (a doctor, a sender, a letter or a figure that is wrong) is planted alike.
"""

from __future__ import annotations

import csv
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from email.message import EmailMessage
from functools import partial
from itertools import cycle, islice
from pathlib import Path

from api.app import App, open_app
from archiver.capture.ports import Arrival
from archiver.classify.words import bag, word_list
from archiver.message.parse import parse
from benchmarks.corpus import enron
from benchmarks.home import Home
from benchmarks.labelled import Labelled, sets
from benchmarks.run import Run

EACH = 200
"""Patients of each of the ten kinds."""
RECALL = 0.95
_FAMILIES = sorted(
    bag(
        "Smith Johnson Williams Brown Jones Garcia Miller Davis Martinez Wilson Anderson Thomas Taylor Moore"
        " Jackson Martin Lee Thompson White Harris Clark Lewis Robinson Walker Young Allen King Wright Scott"
        " Hill Green Adams Nelson Baker Hall Campbell Mitchell Carter Roberts Phillips Evans Turner Parker"
        " Collins Edwards Stewart Cook"
    )
)
_SYLLABLES = sorted(bag("bar cor den fel gan hol jes kir lam mor nar pol quin ros"))
_DOCTORS = ("dr. ", "dr ", "doctor ")
_CONTEXTS = (
    "I just spoke with patient {name} about the appointment.",
    "Re: {name}. Please send what we have.",
    "Could somebody pull the chart for {name} before noon?",
    "The patient's name is {name}.",
    "We still need the records of {name} from the other office.",
    "pt {name} called twice this morning",
)
_BARE = (
    "{name} will bring the projector.",
    "Thanks to {name} for arranging the dinner.",
    "I copied {name} on this so that the contract moves.",
)
_NUMBERS = (
    "MRN {number}",
    "MRN: {number}",
    "mrn#{number}",
    "medical record number {number}",
    "chart # {number}",
    "patient ID {number}",
)


@dataclass(frozen=True, slots=True)
class Planned:
    """A patient of the roster. `shared` is whose name is the same, with the number one higher."""

    given: str
    middle: str
    family: str
    number: str
    born: date
    email: str

    def written(self, chance: random.Random) -> str:
        """The name as people write it."""
        return chance.choice(
            (
                f"{self.given} {self.family}",
                f"{self.given} {self.family}",
                f"{self.given} {self.middle[0]}. {self.family}",
                f"{self.family}, {self.given}",
                f"{self.family.upper()}, {self.given.upper()}",
                f"{self.given} {self.middle} {self.family}",
                f"{self.given} {self.family}".lower(),
            )
        )

    def birthday(self, chance: random.Random, day: date | None = None) -> str:
        """The day of birth as people write it."""
        day = day or self.born
        return chance.choice(
            (
                f"{day:%m/%d/%Y}",
                f"{day.month}/{day.day}/{day.year}",
                day.isoformat(),
                f"{day:%B} {day.day}, {day.year}",
                f"{day.day} {day:%b} {day.year}",
                f"{day:%m-%d-%y}",
            )
        )


@dataclass(slots=True)
class Letter:
    """A message with what it must be matched to; `kind` is the row of the table it counts in."""

    kind: str
    expected: frozenset[str]
    body: str
    subject: str = "following up"
    sender: str = "desk@clinic.example"
    to: str = "ward@clinic.example"

    def raw(self) -> bytes:
        """The message as it arrives."""
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = self.sender, self.to, self.subject
        message["Date"] = "Tue, 3 Mar 2026 10:00:00 +0000"
        message.set_content(self.body)
        return message.as_bytes()


@dataclass(slots=True)
class Tally:
    """Of one kind: how many were to be found, were found, and how many persons were matched wrongly."""

    expected: int = 0
    found: int = 0
    wrong: int = 0
    listed: int = 0
    why: Counter[str] = field(default_factory=Counter)


def run(run: Run) -> None:
    """Precision and recall by kind of match, old mail and new alike."""
    chance = random.Random(7)
    roster = _people(chance)
    letters = list(_letters(run, roster, chance))
    chance.shuffle(letters)
    home = Home(run.scratch / "matching")
    home.run("init")
    app = open_app(home.settings)
    try:
        half = len(letters) // 2
        pks = _store(app, letters[:half])
        path = run.scratch / "roster.csv"
        _write(path, roster)
        app.roster.run(path)
        app.follower.run()
        pks += _store(app, letters[half:])
        for kind, tally in _tallied(app, letters, pks).items():
            _tell(run, kind, tally)
    finally:
        app.close()


def _tell(run: Run, kind: str, tally: Tally) -> None:
    if not tally.expected:
        wrong = tally.wrong / EACH
        run.add(
            "matching", f"{kind}: matched wrongly", wrong, "", lower=True, note=f"{tally.wrong} of {EACH}"
        )
        return
    note = f"{tally.found} of {tally.expected}"
    if tally.listed:
        note += f"; {tally.listed} messages listed as ambiguous"
    recall = tally.found / tally.expected
    run.add("matching", f"{kind}: recall", round(recall, 4), "", target=RECALL, note=note)
    right = tally.found / max(1, tally.found + tally.wrong)
    run.add("matching", f"{kind}: precision", round(right, 4), "", note=f"{tally.wrong} persons too many")


# --- the roster -----------------------------------------------------------------------------------


def _people(chance: random.Random) -> list[Planned]:
    """Ten kinds of patients; those of the two ambiguous ones come in pairs of one name."""
    given = sorted(
        word_list("given_names") - bag("may april june grace hope dawn rose jan art bill mark will")
    )
    taken: set[tuple[str, str]] = set()
    people: list[Planned] = []
    while len(people) < 10 * EACH:
        first, family = chance.choice(given).title(), _family(chance)
        if (first, family) in taken:
            continue
        taken.add((first, family))
        pair = len(people) // EACH in (5, 6)
        for _ in range(2 if pair else 1):
            number = f"{len(people) * 7919 % 900_000 + 100_000:06}"
            born = date(1930, 1, 1) + timedelta(days=chance.randrange(34_000))
            middle = chance.choice(given).title()
            people.append(Planned(first, middle, family, number, born, f"p{number}@home.example"))
    return people


def _family(chance: random.Random) -> str:
    plain = "".join(chance.choices(_SYLLABLES, k=3)).title()
    kind = chance.random()
    if kind < 0.3:
        return chance.choice(_FAMILIES)
    if kind < 0.36:
        return f"O'{plain}"
    if kind < 0.42:
        return f"{plain}-{chance.choice(_FAMILIES)}"
    return f"de la {plain}" if kind < 0.46 else plain


def _write(path: Path, roster: Sequence[Planned]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("mrn", "name", "born", "email"))
        for one in roster:
            rows.writerow((one.number, f"{one.given} {one.middle} {one.family}", one.born, one.email))


# --- the mail -------------------------------------------------------------------------------------


def _letters(run: Run, roster: Sequence[Planned], chance: random.Random) -> Iterator[Letter]:
    business = cycle(_business(run))
    asked = sets(run.corpora).get("asq-phi", [])
    kinds = [roster[start : start + EACH] for start in range(0, len(roster), EACH)]

    def around(line: str) -> str:
        """A line in the midst of somebody's business mail."""
        parts = next(business).split("\n\n")
        parts.insert(chance.randint(0, len(parts)), line)
        return "\n\n".join(parts)

    def only(one: Planned) -> frozenset[str]:
        return frozenset({one.number})

    in_words = cycle(_places(asked, ("MEDICAL_RECORD_NUMBER",)))
    for at, one in enumerate(kinds[0]):
        said = chance.choice(_NUMBERS).format(number=one.number)
        body = next(in_words)(one.number) if at % 2 and asked else around(f"It is about {said}.")
        yield Letter("record number", only(one), body)
    for at, one in enumerate(kinds[1]):
        body = around("Please see below." if at % 3 else f"write to {one.email} then")
        sender = one.email if at % 3 == 1 else "desk@clinic.example"
        to = f"Somebody <{one.email}>" if at % 3 == 2 else "ward@clinic.example"
        yield Letter("address", only(one), body, sender=sender, to=to)
    for one in kinds[2]:
        name, day = one.written(chance), one.birthday(chance)
        line = chance.choice((f"{name} ({day}) called.", f"{name}, DOB {day}", f"{name}, born {day}, again"))
        yield Letter("name with birth date", only(one), around(line))
    for at, one in enumerate(kinds[3]):
        name = one.written(chance)
        subject = f"Re: {name}" if at % 4 == 0 else "following up"
        line = chance.choice(_CONTEXTS).format(name=name) if at % 4 else "See above."
        yield Letter("name in words said of patients", only(one), around(line), subject)
    named = cycle(_places(asked, ("NAME",), doctors=False))
    for one in kinds[4] if asked else ():
        yield Letter("name in clinical text", only(one), next(named)(one.written(chance)))
    yield from _of_one_name(kinds[5], kinds[6], around, chance)
    yield from _must_not(kinds[7:], roster, asked, around, chance)


def _of_one_name(
    unsure: Sequence[Planned], sure: Sequence[Planned], around: Callable[[str], str], chance: random.Random
) -> Iterator[Letter]:
    for one, other in zip(unsure[::2], unsure[1::2], strict=True):
        line = chance.choice(_CONTEXTS).format(name=one.written(chance))
        yield Letter("two of one name", frozenset({one.number, other.number}), around(line))
    for at, one in enumerate(sure):
        mark = f"MRN {one.number}" if at % 2 else f"DOB {one.birthday(chance)}"
        line = f"patient {one.written(chance)}, {mark}"
        yield Letter("two of one name, told apart", frozenset({one.number}), around(line))


def _must_not(
    kinds: Sequence[Sequence[Planned]],
    roster: Sequence[Planned],
    asked: Sequence[Labelled],
    around: Callable[[str], str],
    chance: random.Random,
) -> Iterator[Letter]:
    names = {(one.given.casefold(), one.family.casefold()) for one in roster}
    numbers = {one.number for one in roster}
    for one in kinds[0]:
        wrong = one.family
        while (one.given.casefold(), wrong.casefold()) in names:
            wrong = _typo(one.family, "abcdefghijklmnopqrstuvwxyz", chance)
        line = chance.choice(_CONTEXTS).format(name=f"{one.given} {wrong}")
        yield Letter("a letter of the name wrong", frozenset(), around(line))
    for at, one in enumerate(kinds[1]):
        number = one.number
        while number in numbers:
            number = _typo(one.number, "0123456789", chance)
        day = one.born + timedelta(days=chance.choice((-400, 3, 31, 366)))
        name = f"{one.given} {one.family}"
        line = (
            f"It is about MRN {number}." if at % 2 else f"{name} moved the {one.birthday(chance, day)} lunch."
        )
        yield Letter("a figure of number or date wrong", frozenset(), around(line))
    doctors = cycle(_places(asked, ("NAME",), doctors=True))
    for at, one in enumerate(kinds[2]):
        name = f"{one.given} {one.family}"
        if at % 3 == 0 and asked:
            yield Letter("a doctor, a sender, a colleague", frozenset(), next(doctors)(name))
        elif at % 3 == 1:
            body = around(f"Best,\n{name}")
            yield Letter(
                "a doctor, a sender, a colleague", frozenset(), body, sender=f"{name} <x@clinic.example>"
            )
        else:
            line = chance.choice(_BARE).format(name=name)
            yield Letter("a doctor, a sender, a colleague", frozenset(), around(line))


def _typo(value: str, letters: str, chance: random.Random) -> str:
    """The last word with one character exchanged: a family name is looked for by that."""
    last = max(value.rfind(mark) for mark in " -'") + 1
    at = chance.randrange(last, len(value))
    return f"{value[:at]}{chance.choice(letters)}{value[at + 1 :]}"


def _business(run: Run) -> list[str]:
    bodies = (parse(raw).body_text.strip() for raw in islice(enron(run.corpora), 0, 12_000, 4))
    return [body for body in bodies if 200 <= len(body) <= 4_000]


def _places(
    texts: Sequence[Labelled], labels: tuple[str, ...], doctors: bool | None = None
) -> list[Callable[[str], str]]:
    """Texts with a place where a marked value stood, to be filled."""
    found: list[Callable[[str], str]] = []
    for text in texts:
        for mark in text.marks:
            if mark.label not in labels:
                continue
            before, after = text.text[: mark.start], text.text[mark.end :]
            if doctors is not None and before.casefold().endswith(_DOCTORS) is not doctors:
                continue
            found.append(partial(_filled, before, after))
    return found


def _filled(before: str, after: str, value: str) -> str:
    return f"{before}{value}{after}"


# --- the archive ----------------------------------------------------------------------------------


def _store(app: App, letters: Sequence[Letter]) -> list[int]:
    known = {source.name: source.id for source in app.vault.sources.all()}
    source = known.get("bench") or app.vault.sources.add("import", "bench").id
    pks: list[int] = []
    for start in range(0, len(letters), 500):
        batch = [
            app.vault.preparer.prepare(Arrival(raw=letter.raw(), source_id=source))
            for letter in letters[start : start + 500]
        ]
        pks += [done.pk for done in app.vault.archive.commit(batch)]
    with app.indexing() as pair:
        assert pair is not None
        pair[0].drain()
    return pks


def _tallied(app: App, letters: Sequence[Letter], pks: Sequence[int]) -> dict[str, Tally]:
    tallies: dict[str, Tally] = {}
    about = app.patients.of_messages(pks)
    with app.vault.records.read() as connection:
        matched = app.patients.matcher.match(connection, pks)
    for letter, pk in zip(letters, pks, strict=True):
        tally = tallies.setdefault(letter.kind, Tally())
        people = {number for person in about.get(pk, ()) for number in person.numbers}
        tally.expected += len(letter.expected)
        tally.found += len(letter.expected & people)
        tally.wrong += len(people - letter.expected)
        tally.listed += bool(pk in matched and matched[pk].ambiguous)
        tally.why.update(
            reason for match in (matched[pk].matches if pk in matched else ()) for reason in match.why
        )
    return dict(sorted(tallies.items()))
