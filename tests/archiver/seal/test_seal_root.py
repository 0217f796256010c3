"""The root key file: made once, kept private, checked, and never beside the data."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.errors import KeyUnavailable, SealError
from archiver.seal.root import (
    FileRootKey,
    ProviderNotBuiltError,
    RootKeyError,
    format_key_file,
    open_root_key,
    parse_key_file,
    root_key_path,
)
from config.errors import ConfigError

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
KEY = bytes(range(32))
CONTEXT = b"context"


def test_create_then_load_gives_the_same_key(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "root.key"
    made = FileRootKey.create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    loaded = FileRootKey.load(path)
    assert loaded.id == made.id
    assert loaded.unwrap(CONTEXT, made.wrap(CONTEXT, KEY)) == KEY


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "root.key"
    path.write_text("precious")
    with pytest.raises(RootKeyError) as refused:
        FileRootKey.create(path)
    assert refused.value.exit_code == 2
    assert path.read_text() == "precious"


def test_a_dangling_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "root.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RootKeyError):
        FileRootKey.create(tmp_path / "root.key")
    assert not (tmp_path / "elsewhere").exists()


def test_wrapping_binds_context_and_root(tmp_path: Path) -> None:
    root, other = FileRootKey(KEY), FileRootKey(bytes(32))
    wrapped = root.wrap(CONTEXT, KEY)
    assert root.id != other.id
    assert KEY not in wrapped
    assert root.wrap(CONTEXT, KEY) != wrapped
    for key, context in ((root, b"another"), (other, CONTEXT)):
        with pytest.raises(SealError):
            key.unwrap(context, wrapped)
    for position in range(len(wrapped)):
        changed = bytearray(wrapped)
        changed[position] ^= 1
        with pytest.raises(SealError):
            root.unwrap(CONTEXT, bytes(changed))
    for data in (b"", wrapped[:-1], wrapped + b"\0"):
        with pytest.raises(SealError):
            root.unwrap(CONTEXT, data)
    with pytest.raises(SealError):
        root.wrap(CONTEXT, b"short")


def test_golden_key_file_is_read() -> None:
    assert parse_key_file((GOLDEN / "root-key-v1.txt").read_bytes()) == KEY
    assert FileRootKey(KEY).id == "file-7710e21a888d24ad"


@given(st.binary(min_size=32, max_size=32))
def test_text_form_round_trip(key: bytes) -> None:
    text = format_key_file(key)
    assert parse_key_file(text.encode()) == key
    assert (
        parse_key_file(
            text.upper()
            .replace("HOLDFAST-ROOT-KEY-V1", "holdfast-root-key-v1")
            .replace("KEY ", "key ")
            .replace("CHECK ", "check ")
            .replace("\n", "\r\n")
            .encode()
        )
        == key
    )


def test_every_mistyped_digit_is_noticed() -> None:
    text = format_key_file(KEY)
    start = text.index("key 0001")
    for position in range(start, len(text)):
        if text[position] in "0123456789abcdef":
            wrong = "f" if text[position] != "f" else "e"
            with pytest.raises(KeyUnavailable):
                parse_key_file((text[:position] + wrong + text[position + 1 :]).encode())


@given(st.binary(max_size=200))
def test_hostile_key_files_raise_only_key_unavailable(data: bytes) -> None:
    with pytest.raises(KeyUnavailable):
        parse_key_file(data)


def test_load_says_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "root.key"
    with pytest.raises(KeyUnavailable, match="doesn't exist"):
        FileRootKey.load(path)
    FileRootKey.create(path)
    for mode in (0o640, 0o604, 0o620):
        path.chmod(mode)
        with pytest.raises(KeyUnavailable, match="chmod 600"):
            FileRootKey.load(path)
    path.chmod(0o400)
    FileRootKey.load(path)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(KeyUnavailable, match="check"):
        FileRootKey.load(path)
    path.write_bytes(b"#" * 5000)
    with pytest.raises(KeyUnavailable, match="longer"):
        FileRootKey.load(path)
    with pytest.raises(KeyUnavailable, match="regular file"):
        FileRootKey.load(tmp_path)
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(KeyUnavailable, match="regular file"):
        FileRootKey.load(tmp_path / "pipe")


def test_no_error_carries_the_key(tmp_path: Path) -> None:
    text = format_key_file(KEY).replace("0001", "0g01")
    with pytest.raises(KeyUnavailable) as refused:
        parse_key_file(text.encode())
    assert "0203" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("reference", ["awskms:arn:aws:kms:x", "vault:transit/key", "pkcs11:token=x"])
def test_other_providers_are_refused_by_name(reference: str, tmp_path: Path) -> None:
    with pytest.raises(ProviderNotBuiltError, match="not built in this version") as refused:
        open_root_key(reference, tmp_path)
    assert refused.value.exit_code == 2
    assert isinstance(refused.value, ConfigError)


@pytest.mark.parametrize("reference", ["", "file:", "root.key", "http://x", "file:a\0b", ":"])
def test_malformed_references_are_refused(reference: str, tmp_path: Path) -> None:
    with pytest.raises(RootKeyError, match="file:PATH"):
        open_root_key(reference, tmp_path)


def test_a_key_inside_the_home_is_refused_through_any_link(tmp_path: Path) -> None:
    home, outside = tmp_path / "home", tmp_path / "keys"
    home.mkdir()
    outside.mkdir()
    FileRootKey.create(home / "root.key")
    (outside / "link.key").symlink_to(home / "root.key")
    (tmp_path / "home-link").symlink_to(home)
    for path in (
        home / "root.key",
        outside / "link.key",
        tmp_path / "home-link" / "root.key",
        outside / ".." / "home" / "root.key",
        home / "not" / "there" / "yet.key",
    ):
        with pytest.raises(ConfigError, match="inside HOLDFAST_HOME"):
            open_root_key(f"file:{path}", home)
    with pytest.raises(ConfigError, match="inside"):
        open_root_key(f"file:{home / 'root.key'}", tmp_path / "home-link")
    made = FileRootKey.create(root_key_path(f"file:{outside / 'root.key'}", home))
    assert open_root_key(f"file:{outside / 'root.key'}", home).id == made.id
    # A name that merely begins like the home's is not inside it.
    FileRootKey.create(tmp_path / "home-keys" / "root.key")
    assert open_root_key(f"file:{tmp_path / 'home-keys' / 'root.key'}", home).id.startswith("file-")
