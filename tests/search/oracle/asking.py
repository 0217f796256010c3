"""Questions made up from the mail itself: by the grammar, with words drawn from messages, from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import timedelta

from tests.search.oracle.plain import Plain

TEXT_FIELDS = (
    *("subject", "body", "attachment", "filename", "header"),
    *("from", "to", "cc", "bcc", "participant"),
)
_DRAWN = ("body", "body", "body", "subject", "from", "to", "header", "filename")
_NEVER = {"and", "or", "not", "to"}


class Asker:
    """Writes queries as people would type them; the same seed writes the same."""

    def __init__(self, found: Sequence[Plain], seed: int) -> None:
        self._mail = [one for one in found if one.words]
        self._chance = random.Random(seed)

    def questions(self, number: int) -> Iterator[str]:
        """So many queries."""
        return (self._any(self._chance.choice((0, 0, 1, 1, 2, 3))) for _ in range(number))

    # --- how parts are joined -------------------------------------------------------------------

    def _any(self, depth: int) -> str:
        if depth == 0:
            return self._one()
        chance = self._chance
        parts = [self._any(depth - 1) for _ in range(chance.choice((2, 2, 3)))]
        parts = [f"({part})" if " " in part and not part.startswith('"') else part for part in parts]
        joint = chance.choice((" ", " AND ", " OR ", " OR "))
        if chance.random() < 0.35:
            place = chance.randrange(len(parts))
            spelt = "NOT " if chance.random() < 0.5 or parts[place][0] == "-" else "-"
            parts[place] = spelt + parts[place]
        return joint.join(parts)

    def _one(self) -> str:
        chance = self._chance
        forms = (
            (8, self._word),
            (4, self._quoted),
            (4, self._phrase),
            (3, self._near),
            (3, self._beginning),
            (2, self._ending),
            (3, self._pattern),
            (2, self._fuzzy),
            (3, self._address),
            (2, self._dated),
            (1, self._sized),
            (3, self._label),
        )
        make = chance.choices([form for _, form in forms], [weight for weight, _ in forms])[0]
        return make()

    # --- leaves ---------------------------------------------------------------------------------

    def _drawn(self, least: int = 1) -> str:
        """A word of some message; now and then one that no message has."""
        chance = self._chance
        if chance.random() < 0.04:
            return "".join(chance.choices("bcdfghklmnprstvwz", k=max(least, 7)))
        while True:
            column = self._column()
            word = chance.choice(column)
            if len(word) >= least and word not in _NEVER and len(word) < 60:
                return word

    def _column(self) -> list[str]:
        chance = self._chance
        while True:
            columns = chance.choice(self._mail).columns
            column = columns[chance.choice(_DRAWN)]
            if column:
                return column

    def _field(self) -> str:
        chance = self._chance
        return f"{chance.choice(TEXT_FIELDS)}:" if chance.random() < 0.35 else ""

    def _word(self) -> str:
        return self._field() + self._drawn()

    def _quoted(self) -> str:
        return f'{self._field()}"{self._drawn()}"'

    def _phrase(self) -> str:
        column = self._column()
        start = self._chance.randrange(len(column))
        row = column[start : start + self._chance.randint(2, 5)]
        if self._chance.random() < 0.1:
            row = row[::-1]
        return f'{self._field()}"{" ".join(row)}"'

    def _near(self) -> str:
        chance = self._chance
        column = self._column()
        start = chance.randrange(len(column))
        about = list(dict.fromkeys(column[start : start + chance.randint(4, 20)]))
        if len(about) < 2:
            return self._phrase()
        chosen = chance.sample(about, min(len(about), chance.choice((2, 2, 3))))
        return f'{self._field()}"{" ".join(chosen)}"~{chance.choice((1, 2, 3, 5, 10, 30))}'

    def _beginning(self) -> str:
        word = self._drawn(4)
        return f"{self._field()}{word[: self._chance.randint(3, len(word))]}*"

    def _ending(self) -> str:
        word = self._drawn(6)
        return f"{self._field()}*{word[-self._chance.randint(4, len(word)) :]}"

    def _pattern(self) -> str:
        chance = self._chance
        word = self._drawn(6)
        marked = list(word)
        for _ in range(chance.choice((1, 1, 2))):
            place = chance.randrange(1, len(marked) - 1)
            if chance.random() < 0.5:
                marked[place] = "?"
            else:
                marked[place : place + chance.randint(1, 2)] = ["*"]
        text = "".join(marked)
        if chance.random() < 0.2:
            text = f"*{text[2:]}*"
        return self._field() + text.replace("**", "*")

    def _fuzzy(self) -> str:
        chance = self._chance
        word = list(self._drawn(6))
        place = chance.randrange(len(word) - 1)
        change = chance.randrange(4)
        if change == 0:
            word[place] = chance.choice("aeiourst")
        elif change == 1:
            del word[place]
        elif change == 2:
            word.insert(place, chance.choice("aeiourst"))
        else:
            word[place], word[place + 1] = word[place + 1], word[place]
        return f"{self._field()}{''.join(word)}~{chance.choice((1, 1, 2))}"

    def _address(self) -> str:
        chance = self._chance
        labels = sorted(label for label in chance.choice(self._mail).labels if label.startswith("custodian:"))
        address = chance.choice(labels).removeprefix("custodian:") if labels else "nobody@nowhere.example"
        typed = address if not set(address) & set('"*?~:()[]{}^|/ ') else "someone@enron.com"
        return chance.choice(("", "from:", "to:", "cc:", "participant:", "header:")) + typed

    def _dated(self) -> str:
        chance = self._chance
        first, second = sorted(chance.choice(self._mail).sent for _ in range(2))
        day = chance.choice((first, second)) + timedelta(days=chance.randint(-1, 1))
        return chance.choice(
            (
                f"date:{day:%Y-%m-%d}",
                f"date:{day:%Y-%m}",
                f"date:{day:%Y}",
                f"after:{day:%Y-%m-%d}",
                f"before:{day:%Y-%m-%d}",
                f"date:[{first:%Y-%m-%d} to {second:%Y-%m-%d}]",
                f"date:[{first:%Y-%m} to *]",
            )
        )

    def _sized(self) -> str:
        size = self._chance.choice(self._mail).size
        return self._chance.choice((f"larger:{size}", f"smaller:{size}", f"larger:{size // 1024}k"))

    def _label(self) -> str:
        chance = self._chance
        label = chance.choice(sorted(chance.choice(self._mail).labels))
        name, _, value = label.partition(":")
        return f'{name}:"{value}"' if '"' not in value else "has:attachment"
