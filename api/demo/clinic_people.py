"""The sample clinic's invented people: staff, patients and outside correspondents, all at `.example`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from retention.roster.csv_file import Patient

DOMAIN = "harborlight.example"


@dataclass(frozen=True, slots=True)
class Person:
    """A member of staff. `state` is where they work, "" for everywhere; `title` goes under their name."""

    name: str
    local: str
    title: str
    state: str = ""

    @property
    def address(self) -> str:
        return f"{self.local}@{DOMAIN}"

    @property
    def first(self) -> str:
        return self.name.split()[0]


HELD = Person("Odile Marchetti", "odile.marchetti", "Office Manager")
CLINICIANS = (
    Person("Tobias Renner", "tobias.renner", "MD, Internal Medicine", "NC"),
    Person("Anjali Deshmukh", "anjali.deshmukh", "MD, Pediatrics", "TX"),
    Person("Ruth Okonjo", "ruth.okonjo", "NP, Family Practice", "CA"),
    Person("Beatriz Solano", "beatriz.solano", "MD, Family Practice", "FL"),
    Person("Hamish Calder", "hamish.calder", "MD, Cardiology", "MA"),
    Person("Lena Forsgren", "lena.forsgren", "MD, Orthopedics", "MD"),
    Person("Mireille Fontaine", "mireille.fontaine", "MD, Pediatrics", "NY"),
)
THERAPISTS = (
    Person("Gideon Hartwell", "gideon.hartwell", "PsyD, Behavioral Health", "NY"),
    Person("Zoë Lindqvist", "zoe.lindqvist", "LCSW, Behavioral Health", "CA"),
)
OFFICE = (
    HELD,
    Person("Percival Nduka", "percival.nduka", "Facilities"),
    Person("Clémence Aubry", "clemence.aubry", "Human Resources"),
    Person("Walter Stepanek", "walter.stepanek", "Information Technology"),
)
BILLING = (
    Person("Yolanda Pruitt", "yolanda.pruitt", "Patient Accounts"),
    Person("Casimir Dolan", "casimir.dolan", "Patient Accounts"),
)
PRIVACY = Person("Henrietta Boyle", "henrietta.boyle", "Privacy Officer")
FRONT_DESK = Person("Front Desk", "frontdesk", "Front Desk")
LAB = Person("Laboratory", "laboratory", "Laboratory")
COUNSEL = "silvia.tran@tranlaw.example"
OUTSIDE = (
    "orders@papermill-supply.example",
    "leasing@wharfside-properties.example",
    "catering@brightspoon.example",
    "events@rotaryharbor.example",
    "service@coolair-hvac.example",
    "accounts@shorelineprint.example",
)
PHARMACIES = ("rx@cornerstone-pharmacy.example", "refills@bayview-drugs.example")
PAYERS = ("claims@unionmutual.example", "remits@coastalplan.example")
NEWSLETTERS = (
    ("The Supply Letter", "news@supplyletter.example"),
    ("Harbor Arts Weekly", "digest@harborarts.example"),
    ("Small Office Journal", "editor@smalloffice.example"),
)

SITES = {
    "CA": "Harbor Light Clinic, Monterey",
    "FL": "Harbor Light Clinic, Tampa",
    "MA": "Harbor Light Hospital, Worcester",
    "MD": "Harbor Light Orthopedics, Annapolis",
    "NC": "Harbor Light Hospital, Wilmington",
    "NY": "Harbor Light Pediatrics, Albany",
    "TX": "Harbor Light Children's Hospital, Galveston",
}
_FIRST = [
    "Adaline",
    "Bram",
    "Cosima",
    "Darnell",
    "Estela",
    "Fionn",
    "Gwendolyn",
    "Hollis",
    "Imogen",
    "Jarek",
    "Katja",
    "Leopold",
    "Marisela",
    "Nils",
    "Ottoline",
    "Pascual",
    "Quincy",
    "Rosalind",
    "Soren",
    "Tamsin",
    "Ulises",
    "Verena",
    "Wendell",
    "Ximena",
    "Yusuf",
    "Zelda",
    "Amadou",
    "Brielle",
    "Cormac",
    "Delphine",
    "Emeka",
    "Farrah",
    "Gideon",
    "Hedwig",
    "Isidro",
    "Jocasta",
]
_LAST = [
    "Ablewood",
    "Brackenridge",
    "Cavalcanti",
    "Dunmore",
    "Etxeberria",
    "Fairweather",
    "Gallowglass",
    "Hollander",
    "Ibáñez",
    "Jankowiak",
    "Kestrelson",
    "Lindenbaum",
    "Mirabeau",
    "Nightingall",
    "Oyelaran",
    "Pemberly",
    "Quigstad",
    "Rosenqvist",
    "Santillán",
    "Thackeray-Ode",
    "Umberfield",
    "Villaseñor",
    "Wintersgill",
    "Yarborough",
    "Zielonka",
    "Applethwaite",
    "Bellweather",
    "Crosswhite",
    "Dragomir",
    "Eisenhart",
    "Fennimore",
    "Goldacre",
    "Hathersage",
    "Iwasaki",
    "Juntunen",
    "Kovalenko",
]


def make_patients(today: date, random: Random, count: int = 42) -> tuple[Patient, ...]:
    """The roster: children and adults over seven States, two of them dead, some never admitted."""
    firsts = random.sample(_FIRST, len(_FIRST))
    lasts = random.sample(_LAST, len(_LAST))
    states = sorted(SITES)
    patients = []
    for number in range(count):
        first, last = firsts[number % len(firsts)], lasts[(number * 7 + number // len(lasts)) % len(lasts)]
        state = states[number % len(states)]
        # Every third patient is a child today; children's charts run far longer.
        age_days = random.randint(700, 6000) if number % 3 == 0 else random.randint(7500, 30000)
        born = today - timedelta(days=age_days)
        seen = today - timedelta(days=random.randint(20, min(age_days - 30, 3900)))
        admitted = "Hospital" in SITES[state]
        died = seen + timedelta(days=12) if number in (13, 29) else None
        handle = _ascii(f"{first}.{last}".lower())
        patients.append(
            Patient(
                mrn=f"MRN-{20410 + number * 37:05}",
                name=f"{first} {last}",
                born=born,
                died=died,
                state=state,
                email=f"{handle}@{'mail' if number % 2 else 'post'}.example",
                last_encounter=seen,
                discharged=seen if admitted else None,
            )
        )
    return tuple(patients)


def _ascii(text: str) -> str:
    return text.translate(str.maketrans("áéíóúñëü", "aeiouneu")).replace(" ", "")
