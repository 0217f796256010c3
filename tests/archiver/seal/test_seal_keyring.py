"""The keyring: hierarchy, epochs, cache, branches, and the wrong root key."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from archiver.errors import KeyUnavailable, SealError, StoreError
from archiver.seal import keyring as module
from archiver.seal.keyring import CACHE_SECONDS, WRAPS_PER_EPOCH, Keyring
from archiver.seal.root import FileRootKey
from archiver.seal.rotation import change_root_key


@pytest.fixture
def root() -> FileRootKey:
    return FileRootKey(bytes(range(32)))


@pytest.fixture
def open_ring(key_store, clock, root) -> Callable[..., Keyring]:
    def build(root_key=root, archive_id="archive-1", store=key_store) -> Keyring:
        return Keyring(store, root_key, archive_id, now=clock.now, monotonic=clock.monotonic)

    return build


def test_a_data_key_opens_for_its_message_only(open_ring) -> None:
    ring = open_ring()
    made = ring.new_data_key("m1")
    assert len(made.key) == 32
    assert made.key not in made.wrapped
    assert ring.unwrap_data_key("m1", made.epoch_id, made.wrapped) == made.key
    assert open_ring().unwrap_data_key("m1", made.epoch_id, made.wrapped) == made.key
    with pytest.raises(SealError):
        ring.unwrap_data_key("m2", made.epoch_id, made.wrapped)
    other = ring.start_epoch()
    with pytest.raises(SealError):
        ring.unwrap_data_key("m1", other, made.wrapped)
    with pytest.raises(KeyUnavailable, match="isn't in the key store"):
        ring.unwrap_data_key("m1", "2020-01-00000000", made.wrapped)


def test_data_keys_are_fresh_and_share_the_months_epoch(open_ring, key_store) -> None:
    ring = open_ring()
    keys = [ring.new_data_key(f"m{number}") for number in range(500)]
    assert len({made.key for made in keys}) == 500
    assert len({made.wrapped[1:13] for made in keys}) == 500
    assert {made.epoch_id for made in keys} == {key_store.newest_epoch("2026-11")}
    # A second process joins the month's epoch rather than making its own.
    assert open_ring().new_data_key("m").epoch_id == keys[0].epoch_id


def test_a_new_month_has_a_new_epoch(open_ring, clock) -> None:
    ring = open_ring()
    november = ring.new_data_key("m1")
    clock.wall = datetime(2026, 12, 1, 0, 0, tzinfo=UTC)
    december = ring.new_data_key("m2")
    assert november.epoch_id.startswith("2026-11-")
    assert december.epoch_id.startswith("2026-12-")
    assert ring.unwrap_data_key("m1", november.epoch_id, november.wrapped) == november.key
    # A clock set back continues the older month's epoch.
    clock.wall = datetime(2026, 11, 30, 23, 59, tzinfo=UTC)
    assert ring.new_data_key("m3").epoch_id == november.epoch_id


def test_an_epoch_ends_before_its_nonces_could_collide(open_ring, key_store) -> None:
    first = open_ring().new_data_key("m1").epoch_id
    key_store.wraps[first] = WRAPS_PER_EPOCH - 2**16 - 1
    assert open_ring().new_data_key("m2").epoch_id == first
    assert key_store.wraps[first] < WRAPS_PER_EPOCH
    second = open_ring().new_data_key("m3").epoch_id
    assert second != first
    assert open_ring().new_data_key("m4").epoch_id == second


def test_wraps_are_reserved_before_they_are_used(open_ring, key_store, monkeypatch) -> None:
    monkeypatch.setattr(module, "_RESERVED_AT_ONCE", 3)
    ring = open_ring()
    for made in range(1, 11):
        epoch = ring.new_data_key(f"m{made}").epoch_id
        assert key_store.wraps[epoch] >= made
    assert key_store.wraps[epoch] == 12


def test_an_epoch_key_is_durable_before_a_data_key_is_handed_out(open_ring, key_store) -> None:
    ring = open_ring()

    def refuse(kind, key):
        raise StoreError("disk full")

    key_store.add_if_absent = refuse
    with pytest.raises(StoreError):
        ring.new_data_key("m1")
    del key_store.add_if_absent
    made = ring.new_data_key("m1")
    assert key_store.load("epoch", made.epoch_id) is not None


def test_unwrapped_epoch_keys_are_kept_five_minutes_at_most(open_ring, key_store, clock) -> None:
    ring = open_ring()
    made = ring.new_data_key("m1")
    before = key_store.loads
    clock.seconds += CACHE_SECONDS - 1
    ring.unwrap_data_key("m1", made.epoch_id, made.wrapped)
    assert key_store.loads == before
    # Use does not prolong it.
    clock.seconds += 1
    ring.unwrap_data_key("m1", made.epoch_id, made.wrapped)
    assert key_store.loads == before + 1
    clock.seconds += CACHE_SECONDS
    ring.drop_expired()
    assert not ring._epochs


def test_an_epoch_destroyed_in_the_store_is_unreadable_within_five_minutes(
    open_ring, key_store, clock
) -> None:
    ring = open_ring()
    made = ring.new_data_key("m1")
    del key_store.keys["epoch", made.epoch_id]
    clock.seconds += CACHE_SECONDS
    with pytest.raises(KeyUnavailable):
        ring.unwrap_data_key("m1", made.epoch_id, made.wrapped)


def test_branch_keys_are_stable_separate_and_not_message_keys(open_ring) -> None:
    ring = open_ring()
    keys = {name: ring.branch_key(name) for name in ("blind", "index", "field", "audit", "export")}
    assert len(set(keys.values())) == 5
    assert all(len(key) == 32 for key in keys.values())
    again = open_ring()
    assert {name: again.branch_key(name) for name in keys} == keys


def test_branch_keys_agree_between_racing_keyrings(open_ring, key_store) -> None:
    rings = [open_ring() for _ in range(8)]
    gate = threading.Barrier(len(rings))
    found: list[bytes] = []

    def ask(ring: Keyring) -> None:
        gate.wait()
        found.append(ring.branch_key("ledger-audit"))

    threads = [threading.Thread(target=ask, args=(ring,)) for ring in rings]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_one_keyring_serves_many_threads(open_ring, clock) -> None:
    ring = open_ring()
    faults: list[BaseException] = []

    def work(worker: int) -> None:
        try:
            for number in range(200):
                made = ring.new_data_key(f"{worker}-{number}")
                assert ring.unwrap_data_key(f"{worker}-{number}", made.epoch_id, made.wrapped) == made.key
                if number == 100:
                    clock.seconds += CACHE_SECONDS
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults


def test_a_wrong_root_key_is_noticed_on_opening(open_ring, root) -> None:
    open_ring()
    wrong = FileRootKey(bytes(32))
    with pytest.raises(KeyUnavailable) as refused:
        open_ring(root_key=wrong)
    assert root.id in str(refused.value)
    assert wrong.id in str(refused.value)
    with pytest.raises(KeyUnavailable, match="another archive"):
        open_ring(archive_id="archive-2")


def test_keys_moved_between_rows_are_refused(open_ring, key_store) -> None:
    ring = open_ring()
    ring.branch_key("blind")
    ring.branch_key("field")
    stored = key_store.keys["branch", "blind"]
    key_store.keys["branch", "field"] = stored
    with pytest.raises(KeyUnavailable):
        open_ring().branch_key("field")


def test_nothing_secret_is_in_a_repr(open_ring) -> None:
    made = open_ring().new_data_key("m1")
    assert repr(made.key) not in repr(made)
    assert repr(made.wrapped) not in repr(made)


def test_the_root_key_can_be_changed(open_ring, key_store, root) -> None:
    ring = open_ring()
    made, blind = ring.new_data_key("m1"), ring.branch_key("blind")
    new = FileRootKey(b"n" * 32)
    assert change_root_key(key_store, "archive-1", root, new) == 3
    again = open_ring(root_key=new)
    assert again.unwrap_data_key("m1", made.epoch_id, made.wrapped) == made.key
    assert again.branch_key("blind") == blind
    with pytest.raises(KeyUnavailable):
        open_ring(root_key=root)


def test_changing_the_root_key_changes_all_or_nothing(open_ring, key_store, root) -> None:
    ring = open_ring()
    ring.branch_key("blind")
    before = dict(key_store.keys)
    with pytest.raises(KeyUnavailable, match="nothing was changed"):
        change_root_key(key_store, "archive-1", FileRootKey(bytes(32)), root)
    assert key_store.keys == before

    all_keys = key_store.all_keys

    def then_another() -> object:
        seen = all_keys()
        open_ring().branch_key("field")
        return seen

    key_store.all_keys = then_another
    with pytest.raises(StoreError):
        change_root_key(key_store, "archive-1", root, FileRootKey(b"n" * 32))
    assert key_store.keys.items() >= before.items()
