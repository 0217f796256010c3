"""Root keys (docs/FORMAT.md, section 2): the one secret everything hangs from, kept apart from the data."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import stat
from pathlib import Path
from typing import Final, Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from archiver.errors import KeyUnavailable
from archiver.seal.wrap import unwrap_key, wrap_key
from config.errors import ConfigError

_HEADER: Final = "holdfast-root-key-v1"
_KEY_BYTES: Final = 32
_LARGEST_FILE: Final = 4096
_NOT_BUILT: Final = {
    "awskms": "AWS KMS",
    "vault": "Vault Transit",
    "pkcs11": "PKCS#11",
}
_EXPLANATION: Final = (
    "# The root key of a Holdfast archive. Without it nothing in the archive can ever be read again.\n"
    "# Keep a copy apart from the archive and its backups, and let nobody else read it.\n"
)


class RootKeyError(ConfigError):
    """The root key's reference is malformed, unsafe, or would overwrite a key."""

    code = "root_key_refused"


class ProviderNotBuiltError(ConfigError):
    """The root key's reference names a key provider that this version doesn't have."""

    code = "key_provider_not_built"


class RootKey(Protocol):
    """Wraps and unwraps keys of 32 bytes; the key itself never leaves it. Safe from any thread."""

    @property
    def id(self) -> str:
        """A fingerprint, not secret, that names this root key in rows and logs."""
        ...

    def wrap(self, context: bytes, key: bytes) -> bytes:
        """Return `key` wrapped and bound to `context`. Raises KeyUnavailable while the provider is down."""
        ...

    def unwrap(self, context: bytes, wrapped: bytes) -> bytes:
        """Return the key. Raises SealError if it doesn't open, KeyUnavailable while the provider is down."""
        ...


class FileRootKey:
    """A root key read once from a text file and held in memory."""

    def __init__(self, key: bytes) -> None:
        self._wrapping = AESGCM(_expand(key, b"holdfast/root/wrap/v1", 32))
        self._id = "file-" + _expand(key, b"holdfast/root/id/v1", 8).hex()

    @property
    def id(self) -> str:
        return self._id

    def wrap(self, context: bytes, key: bytes) -> bytes:
        return wrap_key(self._wrapping, context, key)

    def unwrap(self, context: bytes, wrapped: bytes) -> bytes:
        return unwrap_key(self._wrapping, context, wrapped)

    @classmethod
    def create(cls, path: Path) -> FileRootKey:
        """Make a new key file, mode 0600, durable on return. Makes missing folders (0700).

        Raises RootKeyError where the file exists: a root key is never overwritten. Raises
        KeyUnavailable where it can't be written.
        """
        key = os.urandom(_KEY_BYTES)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write_new(path, format_key_file(key).encode("ascii"))
        except FileExistsError:
            raise RootKeyError("the root key file exists already and is never overwritten") from None
        except OSError as error:
            raise KeyUnavailable(f"the root key file can't be written: {_reason(error)}") from None
        return cls(key)

    @classmethod
    def load(cls, path: Path) -> FileRootKey:
        """Read a key file. Raises KeyUnavailable where it is missing, malformed or open to others."""
        return cls(parse_key_file(_read_private(path)))


def format_key_file(key: bytes) -> str:
    """Return the text of a key file for a 32-byte key."""
    digits = key.hex()
    groups = " ".join(digits[i : i + 4] for i in range(0, len(digits), 4))
    return f"{_EXPLANATION}{_HEADER}\nkey {groups}\ncheck {_check(key)}\n"


def parse_key_file(data: bytes) -> bytes:
    """Return the 32-byte key of a key file's bytes. Raises KeyUnavailable for anything else."""
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError:
        raise KeyUnavailable("the root key file isn't plain ASCII text; restore it from your copy") from None
    stripped = (line.strip() for line in text.splitlines())
    lines = [line for line in stripped if line and not line.startswith("#")]
    if len(lines) != 3 or lines[0] != _HEADER:
        raise KeyUnavailable(
            f"the root key file must hold three lines, the first `{_HEADER}`; restore it from your copy"
        )
    digits = _value_of(lines[1], "key")
    if not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise KeyUnavailable("the root key file's `key` must be 64 hex digits; restore it from your copy")
    key = bytes.fromhex(digits)
    if not hmac.compare_digest(_value_of(lines[2], "check"), _check(key)):
        raise KeyUnavailable("the root key file's `check` doesn't fit its `key`: a mistyped or damaged digit")
    return key


def root_key_path(reference: str, home: Path) -> Path:
    """Return the real path (symbolic links resolved) that a `file:` reference names; it need not exist.

    Raises ProviderNotBuiltError for another known provider; RootKeyError for a malformed reference, and for
    a file inside `home`: whoever takes the data must not get the key with it (45 CFR 164.312(a)(2)(iv),
    and the safe harbour of 45 CFR 164.402 with HHS guidance, 74 FR 19006: keys kept apart from data).
    """
    scheme, colon, rest = reference.partition(":")
    if colon and scheme in _NOT_BUILT:
        raise ProviderNotBuiltError(
            f"the key provider `{scheme}:` ({_NOT_BUILT[scheme]}) is not built in this version; "
            "use `file:PATH`"
        )
    if scheme != "file" or not rest or "\0" in rest:
        raise RootKeyError("HOLDFAST_ROOT_KEY must be `file:PATH`")
    try:
        path = Path(rest).expanduser().resolve()
        inside = path.is_relative_to(home.expanduser().resolve())
    except (OSError, RuntimeError):
        raise RootKeyError("HOLDFAST_ROOT_KEY names a path that can't be resolved") from None
    if inside:
        raise RootKeyError(
            "HOLDFAST_ROOT_KEY lies inside HOLDFAST_HOME: a key kept with its data protects nothing; "
            "move it to a folder of its own, best on another volume"
        )
    return path


def open_root_key(reference: str, home: Path) -> RootKey:
    """Open the root key that a setting names (`file:PATH`).

    Raises as `root_key_path` and `FileRootKey.load` do.
    """
    return FileRootKey.load(root_key_path(reference, home))


def _expand(key: bytes, label: bytes, length: int) -> bytes:
    return HKDFExpand(algorithm=hashes.SHA256(), length=length, info=label).derive(key)


def _check(key: bytes) -> str:
    return hashlib.sha256(_HEADER.encode("ascii") + b"\n" + key).hexdigest()[:8]


def _value_of(line: str, name: str) -> str:
    """Return the digits behind `name`, without spaces and in lower case."""
    word, _, rest = line.partition(" ")
    if word != name:
        raise KeyUnavailable(f"the root key file lacks its `{name}` line; restore it from your copy")
    return "".join(rest.split()).lower()


def _write_new(path: Path, data: bytes) -> None:
    """Write a file that must not exist, 0600, fsynced with its folder; a failure leaves none behind."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _read_private(path: Path) -> bytes:
    """Return the bytes of a small regular file that only its owner can read."""
    try:
        # Non-blocking, so that a named pipe in the file's place can't hang the start.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise KeyUnavailable(
            "the root key file doesn't exist; put it where HOLDFAST_ROOT_KEY says, or run `holdfast init`"
        ) from None
    except (OSError, ValueError) as error:
        raise KeyUnavailable(f"the root key file can't be opened: {_reason(error)}") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise KeyUnavailable("HOLDFAST_ROOT_KEY doesn't name a regular file")
        if status.st_mode & 0o077:
            raise KeyUnavailable("others than its owner may reach the root key file; run `chmod 600` on it")
        data = os.read(descriptor, _LARGEST_FILE + 1)
    except OSError as error:
        raise KeyUnavailable(f"the root key file can't be read: {_reason(error)}") from None
    finally:
        os.close(descriptor)
    if len(data) > _LARGEST_FILE:
        raise KeyUnavailable("the root key file is longer than any key file; check HOLDFAST_ROOT_KEY")
    return data


def _reason(error: Exception) -> str:
    """Return the system's words without the path."""
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
