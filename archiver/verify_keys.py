"""The scrubber's checks of keys without opening a message: none gone, each epoch's there, tokens filed."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import exists, select

from archiver.errors import KeyUnavailable
from archiver.fault import Fault
from archiver.store import tokens
from archiver.store.schema import data_keys, dictionaries, messages, part_keys
from archiver.vault import Vault

PAGE = 5_000
GONE = "the message's key is gone without a disposal"


def epochs(vault: Vault) -> Iterator[Fault]:
    """Every epoch key that some key was wrapped under must be there and open under the root key."""
    found: set[str] = set()
    with vault.records.read() as connection:
        for table in (data_keys, part_keys, dictionaries):
            found.update(connection.scalars(select(table.c.epoch_id).distinct()))
    for epoch_id in sorted(found):
        try:
            vault.keyring.check_epoch(epoch_id)
        except KeyUnavailable as error:
            yield Fault(error.code, epoch_id, str(error))


def gone(vault: Vault) -> Iterator[Fault]:
    """Every message that wasn't disposed of must have its key."""
    last = -(2**63)
    while True:
        with vault.records.read() as connection:
            rows = connection.execute(
                select(messages.c.pk, messages.c.id)
                .where(
                    messages.c.pk > last,
                    messages.c.disposed_us.is_(None),
                    ~exists().where(data_keys.c.message_pk == messages.c.pk),
                )
                .order_by(messages.c.pk)
                .limit(PAGE)
            ).all()
        yield from (Fault("key", row.id, GONE) for row in rows)
        if len(rows) < PAGE:
            return
        last = rows[-1].pk


def unfiled(vault: Vault) -> Iterator[Fault]:
    """Tokens that are said to be filed must be: a hold looks for its mail among them."""
    with vault.records.read() as connection:
        if tokens.too_few_filed(connection):
            yield Fault(
                "tokens",
                "filed_tokens",
                "fewer are filed than it says; `holdfast verify --full` names the mail",
            )
