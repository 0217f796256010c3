"""The services of access in a whole house, a gate that knows the circumstances, and passkeys to sign by."""

from __future__ import annotations

import hashlib
import json
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from archiver.clock import to_us
from archiver.store.schema import passkeys, users
from archiver.vault import Vault
from config.settings import Settings
from retention.units.addresses import addresses_of
from search.access import Actor, Gate, Role
from search.approving.approvals import Approvals
from search.circumstances import Circumstances
from search.emergencies import Emergencies
from search.granting.covering import Covering
from search.granting.grants import Grants
from search.granting.review import AccessReview
from search.productions import Productions
from search.reading_room import ReadingRoom
from tests.retention.whole_house import House

ORIGIN, HOST = "https://archive.example", "archive.example"


@dataclass
class AccessHouse:
    """A house, and who may look into it."""

    house: House
    gate: Gate
    approvals: Approvals
    grants: Grants
    emergencies: Emergencies
    review: AccessReview
    room: ReadingRoom
    exports: Productions
    privacy: Actor
    keys: dict[str, ec.EllipticCurvePrivateKey] = field(default_factory=dict)

    @property
    def vault(self) -> Vault:
        return self.house.vault

    def person(self, name: str, role: Role) -> Actor:
        return person(self.vault, name, role)

    def audited(self) -> list[tuple[str, str, str]]:
        return self.house.audit()

    def give_passkey(self, actor: Actor) -> None:
        """Enrol an authenticator of this test's own: an ES256 key, as any would make."""
        key = ec.generate_private_key(ec.SECP256R1())
        numbers = key.public_key().public_numbers()
        cose = cbor2.dumps(
            {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        )
        now = to_us(self.vault.clock.now())
        with self.vault.records.write() as connection:
            connection.execute(
                passkeys.insert().values(
                    id=f"k{actor.user_id[1:]}",
                    user_id=actor.user_id,
                    credential_id=actor.user_id.encode(),
                    public_key=cose,
                    sign_count=0,
                    aaguid="",
                    transports="",
                    backup_eligible=False,
                    backed_up=False,
                    created_us=now,
                    sealed=b"",
                )
            )
        self.keys[actor.user_id] = key

    def sign(self, actor: Actor, payload: bytes) -> Any:
        """An assertion over a payload, as `api.passkeys` verifies and gives it."""
        nonce = secrets.token_bytes(16)
        challenge = hashlib.sha256(payload + nonce).digest()
        client = json.dumps(
            {
                "type": "webauthn.get",
                "challenge": urlsafe_b64encode(challenge).decode().rstrip("="),
                "origin": ORIGIN,
            }
        ).encode()
        data = hashlib.sha256(HOST.encode()).digest() + bytes([0x05]) + (1).to_bytes(4, "big")
        key = self.keys[actor.user_id]
        signature = key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        numbers = key.public_key().public_numbers()
        cose = cbor2.dumps(
            {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        )
        return SimpleNamespace(
            user_id=actor.user_id,
            credential_id=actor.user_id.encode(),
            passkey_id=f"k{actor.user_id[1:]}",
            authenticator_data=data,
            client_data=client,
            signature=signature,
            public_key=cose,
            payload=payload,
            nonce=nonce,
            rp_id=HOST,
            origin=ORIGIN,
        )


def person(vault: Vault, name: str, role: Role) -> Actor:
    """A user of an id as ours are, who asks by token."""
    user_id = f"u{name:a<15}"[:16]
    with vault.records.write() as connection:
        connection.execute(users.insert().values(id=user_id, name=name, role=str(role), created_us=0))
    return Actor(user_id, name, role, "cli")


def access_house(house: House, settings: Settings | None = None) -> AccessHouse:
    """The services over an open house; `settings` take the place of the vault's own."""
    vault = house.vault
    if settings is not None:
        vault.settings = settings
    gate = Gate(vault.audit, Circumstances(vault, house.reader))
    approvals = Approvals(vault, gate)
    covering = Covering(vault, lambda connection, which: addresses_of(vault, connection, which))
    room = ReadingRoom(vault, house.reader, gate)
    return AccessHouse(
        house=house,
        gate=gate,
        approvals=approvals,
        grants=Grants(vault, gate, approvals, covering),
        emergencies=Emergencies(vault, gate, covering),
        review=AccessReview(vault, gate),
        room=room,
        exports=Productions(vault, room, gate, None, approvals),
        privacy=person(vault, "privacy", Role.PRIVACY_OFFICER),
    )
