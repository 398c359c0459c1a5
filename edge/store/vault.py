"""Encryption at rest: the folder of the store, encrypted by the file system itself (fscrypt, ext4 and f2fs).

What always holds:

- The key is in no file of the store. It is given to the kernel once after each boot, and is gone with the power.
- Without it the names and the contents of everything below the folder can't be read, nor can anything be added: the
  appliance then can't open its store, and says so; nothing is kept in the clear instead.
- Files keep their ways: fsync, rename and SQLite's write-ahead log work as before, below them it is encrypted.

Policy: version 2, contents by AES-256-XTS, names by AES-256-CTS, a key for each file derived by HKDF-SHA512. The master
key is 64 random bytes. Sizes, times and how many files there are stay visible. Source: the kernel's
Documentation/filesystems/fscrypt.rst, linux/fscrypt.h. docs/decisions/0013 tells why this way.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import secrets
import shutil
import stat
import struct
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Final

from edge.errors import StoreError

KEY_BYTES: Final = 64
_ADD_KEY: Final = 0xC0506617
_REMOVE_KEY: Final = 0xC0406618
_KEY_STATUS: Final = 0xC080661A
_SET_POLICY: Final = 0x800C6613
_GET_POLICY: Final = 0xC0096616
_BY_IDENTIFIER: Final = 2
_POLICY: Final = struct.Struct("=BBBB4x16s")
_VERSION_2, _AES_256_XTS, _AES_256_CTS, _PAD_32 = 2, 1, 4, 3
_SPECIFIER: Final = struct.Struct("=II16s16x")
_PRESENT: Final = 2
_HERE, _EXCHANGE = -100, 2
_NO_POLICY: Final = frozenset({errno.ENODATA, errno.EOPNOTSUPP, errno.ENOTTY})


class State(StrEnum):
    """How a folder stands."""

    PLAIN = "plain"
    OPEN = "open"
    """Encrypted, and the key is here."""
    LOCKED = "locked"
    UNABLE = "unable"
    """Its file system can't."""


def new_key(path: Path) -> None:
    """Writes a new key into a file that was not there, for root's eyes only.

    Raises:
        OSError: the file is there, or can't be written.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())


def read_key(path: Path) -> bytes:
    """The key in a file.

    Raises:
        StoreError: `store-unusable`: there is none, it is no key, or others may read it.
    """
    try:
        with path.open("rb") as file:
            open_to_others = os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO)
            key = file.read(KEY_BYTES + 1)
    except OSError as error:
        raise StoreError("store-unusable", f"the key can't be read: {type(error).__name__}") from error
    if open_to_others:
        raise StoreError("store-unusable", "others may read the key: chmod 600")
    if len(key) != KEY_BYTES:
        raise StoreError("store-unusable", f"a key has {KEY_BYTES} bytes")
    return key


def state(folder: Path) -> State:
    """How the folder stands."""
    with _opened(folder) as descriptor:
        identifier = _identifier(descriptor)
        if identifier is None:
            return State.PLAIN if _is_able(descriptor) else State.UNABLE
        status = bytearray(struct.pack("=40s24xII52x", _SPECIFIER.pack(_BY_IDENTIFIER, 0, identifier), 0, 0))
        fcntl.ioctl(descriptor, _KEY_STATUS, status)
        (present,) = struct.unpack_from("=I", status, 64)
        return State.OPEN if present == _PRESENT else State.LOCKED


def unlock(folder: Path, key: bytes) -> None:
    """Gives the kernel the key of an encrypted folder. Needs root. Harmless when it is there already.

    Raises:
        StoreError: `store-unusable`: the folder is not encrypted, or the key is another's.
    """
    with _opened(folder) as descriptor:
        wanted = _identifier(descriptor)
        if wanted is None:
            raise StoreError("store-unusable", "the store is not encrypted")
        given = _add(descriptor, key)
        if given != wanted:
            _remove(descriptor, given)
            raise StoreError("store-unusable", "this is not the store's key")


def lock(folder: Path) -> None:
    """Takes the key from the kernel. Needs root, and nobody at work in the folder.

    Raises:
        StoreError: `store-unusable`: it is not encrypted, or files of it are still open.
    """
    with _opened(folder) as descriptor:
        identifier = _identifier(descriptor)
    if identifier is None:
        raise StoreError("store-unusable", "the store is not encrypted")
    with _opened(folder.parent) as outside:  # a descriptor within would keep it open
        if _remove(outside, identifier) & 1:
            raise StoreError("store-unusable", "files of the store are still open")


def encrypt(folder: Path, key: bytes) -> None:
    """Encrypts the folder of a store, with all that is in it. Needs root, and the appliance stopped.

    An empty folder is encrypted as it is. What a folder holds is copied into a new one beside it, the two change places
    in one step, and the plain one is removed. A power cut leaves the one or the other in place, whole; the next call
    removes what is beside it. Removing doesn't erase: what was ever written in the clear may still be found on the
    disk, and on flash no software can help that. So encrypt before the first image.

    Raises:
        StoreError: `store-unusable`, told why; nothing was changed.
    """
    found = state(folder)
    beside = folder.with_name(f"{folder.name}.changing")
    if found is State.OPEN and beside.exists():
        _remove_tree(beside)
        return
    if found is not State.PLAIN:
        raise StoreError("store-unusable", f"the folder is {found}")
    if not any(folder.iterdir()):
        _set(folder, key)
        return
    if beside.exists():
        _remove_tree(beside)
    beside.mkdir(mode=0o700)
    _set(beside, key)
    _copy(folder, beside)
    _exchange(folder, beside)
    _sync(folder.parent)
    _remove_tree(beside)


def _set(folder: Path, key: bytes) -> None:
    with _opened(folder) as descriptor:
        identifier = _add(descriptor, key)
        policy = _POLICY.pack(_VERSION_2, _AES_256_XTS, _AES_256_CTS, _PAD_32, identifier)
        try:
            fcntl.ioctl(descriptor, _SET_POLICY, policy)
        except OSError as error:
            raise StoreError("store-unusable", f"the file system can't encrypt: {error.strerror}") from error


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, dirs_exist_ok=True, symlinks=True)
    for old in (source, *source.rglob("*")):
        new = target / old.relative_to(source)
        found = old.stat(follow_symlinks=False)
        os.chown(new, found.st_uid, found.st_gid, follow_symlinks=False)
        if not old.is_symlink():
            _sync(new)


def _remove_tree(folder: Path) -> None:
    shutil.rmtree(folder)


def _exchange(one: Path, other: Path) -> None:
    """Two names change places at once: renameat2(2)."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) != 0:
        raise StoreError("store-unusable", f"the folders can't change places: {os.strerror(ctypes.get_errno())}")


def _add(descriptor: int, key: bytes) -> bytes:
    """Gives the kernel a key, and returns the name that it has for it."""
    argument = bytearray(struct.pack("=40sII32x", _SPECIFIER.pack(_BY_IDENTIFIER, 0, b""), len(key), 0) + key)
    try:
        fcntl.ioctl(descriptor, _ADD_KEY, argument)
    except OSError as error:
        raise StoreError("store-unusable", f"the kernel doesn't take the key: {error.strerror}") from error
    return bytes(argument[8:24])


def _remove(descriptor: int, identifier: bytes) -> int:
    argument = bytearray(struct.pack("=40sI20x", _SPECIFIER.pack(_BY_IDENTIFIER, 0, identifier), 0))
    try:
        fcntl.ioctl(descriptor, _REMOVE_KEY, argument)
    except OSError as error:
        if error.errno == errno.ENOKEY:
            return 0  # it is not here
        raise StoreError("store-unusable", f"the key can't be taken away: {error.strerror}") from error
    return int(struct.unpack_from("=I", argument, 40)[0])


def _identifier(descriptor: int) -> bytes | None:
    """The name of the key that a folder is encrypted with; None for a plain one."""
    argument = bytearray(struct.pack("=Q", _POLICY.size) + bytes(_POLICY.size))
    try:
        fcntl.ioctl(descriptor, _GET_POLICY, argument)
    except OSError as error:
        if error.errno in _NO_POLICY:
            return None
        raise StoreError("store-unusable", f"the folder's policy can't be read: {error.strerror}") from error
    version, *_, identifier = _POLICY.unpack_from(argument, 8)
    if version != _VERSION_2:
        raise StoreError("store-unusable", "encrypted by somebody else, in an older way")
    return bytes(identifier)


def _is_able(descriptor: int) -> bool:
    """Whether the file system has encryption switched on: it then knows the question, and has no answer."""
    argument = bytearray(struct.pack("=Q", _POLICY.size) + bytes(_POLICY.size))
    try:
        fcntl.ioctl(descriptor, _GET_POLICY, argument)
    except OSError as error:
        return error.errno == errno.ENODATA
    return True


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int]:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise StoreError("store-unusable", f"the folder can't be opened: {type(error).__name__}") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
