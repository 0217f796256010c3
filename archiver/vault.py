"""Opens an archive's home: checks it, unlocks its keys, and hands out its parts.

`create` makes what is missing and is idempotent; `open_vault` refuses to start on anything unsafe.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import partial

from sqlalchemy import select

from archiver.archive import Archive
from archiver.capture.prepare import Preparer
from archiver.capture.spool import sweep
from archiver.classify import Classifier
from archiver.clock import Clock, SystemClock
from archiver.errors import KeyUnavailable, StoreError
from archiver.ledger import log
from archiver.ledger.audit import AuditLog
from archiver.ledger.log import Log
from archiver.ledger.publish import Publisher
from archiver.message.extract import policy
from archiver.message.extract.limits import Limits
from archiver.seal.blind import BlindIndex
from archiver.seal.keyring import CANARY_ID, Keyring
from archiver.seal.root import FileRootKey, open_root_key, root_key_path
from archiver.sources import Sources
from archiver.standing import Standing
from archiver.store import durable, migrate, places
from archiver.store.dictionaries import DictionaryStore
from archiver.store.keystore import RecordsKeyStore
from archiver.store.packs import PackFolder
from archiver.store.records import Records
from archiver.store.schema import meta
from archiver.witnessing.witnessing import Witnessing
from config.settings import Settings


@dataclass(slots=True)
class Vault:
    """All of an opened archive below the search floor."""

    settings: Settings
    clock: Clock
    archive_id: str
    records: Records
    keyring: Keyring
    blind: BlindIndex
    packs: PackFolder
    dictionaries: DictionaryStore
    preparer: Preparer
    archive: Archive
    sources: Sources
    audit: AuditLog
    publisher: Publisher
    standing: Standing
    witnessing: Witnessing

    def close(self) -> None:
        """Release packs and connections."""
        self.archive.close()
        self.records.close()


def create(settings: Settings) -> bool:
    """Make home, root key, database and logs where they are missing; True when the archive is new.

    Raises ConfigError when the root key would lie inside the home. Durable on return.
    """
    path = root_key_path(settings.root_key, settings.home)
    durable.make_dir(settings.home)
    records = Records(settings.database_url)
    try:
        migrate.upgrade(records)
        known = _archive_id(records)
        if known is None and not path.exists():
            durable.make_dir(path.parent)
            FileRootKey.create(path)
        open_root_key(settings.root_key, settings.home)
        if known is not None:
            return False
        with records.write() as connection:
            archive_id = secrets.token_hex(16)
            connection.execute(meta.insert().values(name="archive_id", value=archive_id.encode()))
            for which in Log:
                log.create(connection, which)
        return True
    finally:
        records.close()


def open_vault(settings: Settings, clock: Clock | None = None) -> Vault:
    """Open an archive. Raises StoreError before `init`, KeyUnavailable without its root key."""
    clock = clock or SystemClock()
    root = open_root_key(settings.root_key, settings.home)
    if settings.database_url.startswith("sqlite:///") and not settings.home.is_dir():
        raise StoreError(f"there is no archive in {settings.home}; run `holdfast init` first")
    records = Records(settings.database_url)
    try:
        migrate.check(records)
        archive_id = _archive_id(records)
        if archive_id is None:
            raise StoreError("this home has no archive yet; run `holdfast init` first")
        store = RecordsKeyStore(records, clock)
        _refuse_empty_key_store(records, store)
        keyring = Keyring(store, root, archive_id, now=clock.now)
        blind = BlindIndex(keyring.branch_key("blind"))
        packs = PackFolder(settings.packs, partial(places.now_at, records))
        policy.configure(_extraction(settings))
        use = settings.compression_dictionary == "on"
        dictionaries = DictionaryStore(records, keyring, archive_id, clock, use=use)
        classifier = Classifier(record_numbers=settings.record_number_forms)
        preparer = Preparer(archive_id, keyring, blind, dictionaries, classifier)
        field_key = keyring.branch_key("field")
        sweep(settings.spool_dir)
        standing = Standing()
        publisher = Publisher(records, keyring, archive_id, settings.ledger_dir, clock, standing)
        witnessing = Witnessing(settings, archive_id, records, publisher, standing, clock)
        if witnessing.clients:
            publisher.vouched = witnessing
        return Vault(
            settings=settings,
            clock=clock,
            archive_id=archive_id,
            records=records,
            keyring=keyring,
            blind=blind,
            packs=packs,
            dictionaries=dictionaries,
            preparer=preparer,
            archive=Archive(
                archive_id, records, packs, keyring, blind, preparer, clock, dictionaries, standing
            ),
            sources=Sources(records, field_key, archive_id, blind, clock, settings.smtp_domain),
            audit=AuditLog(records, keyring.branch_key("audit"), archive_id, clock),
            publisher=publisher,
            standing=standing,
            witnessing=witnessing,
        )
    except BaseException:
        records.close()
        raise


def _extraction(settings: Settings) -> Limits:
    return Limits(
        seconds=settings.extract_seconds,
        memory=settings.extract_memory_bytes,
        ocr=settings.ocr == "on",
        ocr_languages=settings.ocr_languages,
        ocr_seconds=settings.ocr_seconds,
    )


def _refuse_empty_key_store(records: Records, store: RecordsKeyStore) -> None:
    """Raise KeyUnavailable where an archive in use has lost its keys: new ones would open nothing."""
    if store.load("canary", CANARY_ID) is not None:
        return
    with records.read() as connection:
        used = any(log.state(connection, which).size for which in Log)
    if used:
        raise KeyUnavailable("the archive's key store is empty; restore its newest backup, then start again")


def _archive_id(records: Records) -> str | None:
    with records.read() as connection:
        value = connection.scalar(select(meta.c.value).where(meta.c.name == "archive_id"))
    return bytes(value).decode() if value is not None else None
