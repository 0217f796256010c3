"""Takes from this process whatever reading a document doesn't need: files, network, memory, processes.

Linux only, and in this order: resource limits, a network of its own, no new privileges, and a seccomp filter
that lists the system calls allowed; all others fail with EPERM. Each step the system refuses is reported,
none is silently taken for done (`doctor` shows it). Source: seccomp(2), and the kernel's
Documentation/userspace-api/seccomp_filter.rst.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import platform
import resource
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

_PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 4, 22, 38
_SECCOMP_MODE_FILTER = 2
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000

_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_LOAD, _EQUAL, _AT_LEAST, _BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _ARCH_AT, _ARGUMENTS_AT = 0, 4, 16
_WRITE_FLAGS = 0x3 | 0x40 | 0x200 | 0x400 | 0x400000
"""O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_APPEND, O_TMPFILE: the same on both machines."""

# Audit architecture, and the numbers of the calls, by machine (asm/unistd_64.h, asm-generic/unistd.h).
_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_READING = {
    "x86_64": (
        0, 1, 3, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17, 19, 20, 23, 24, 25, 28, 32, 35, 38, 39, 60, 63,
        96, 97, 98, 99, 100, 102, 104, 107, 108, 131, 158, 186, 201, 202, 204, 218, 219, 228, 229, 230,
        231, 270, 271, 273, 318, 324, 334,
    ),
    "aarch64": (
        23, 57, 62, 63, 64, 65, 66, 67, 72, 73, 80, 93, 94, 96, 98, 99, 101, 103, 113, 114, 115, 123,
        124, 128, 132, 134, 135, 139, 153, 160, 163, 165, 169, 172, 174, 175, 176, 177, 178, 179, 214,
        215, 216, 222, 226, 233, 278, 283, 293,
    ),
}  # fmt: skip
# What running another program takes: exec and fork, pipes, looking for files and opening them to read.
_PROGRAMS = {
    "x86_64": (
        4, 6, 16, 18, 21, 22, 33, 56, 57, 58, 59, 61, 72, 79, 89, 109, 110, 111, 112, 137, 138, 143,
        145, 203, 217, 234, 247, 262, 267, 269, 292, 293, 302, 332, 436, 439,
    ),
    "aarch64": (
        17, 24, 25, 29, 43, 44, 48, 59, 61, 68, 78, 79, 95, 120, 121, 122, 131, 154, 157, 173, 220, 221,
        260, 261, 291, 436, 439,
    ),
}  # fmt: skip
_OPEN = {"x86_64": ((257, 2), (2, 1)), "aarch64": ((56, 2),)}
"""Calls that open files, and which of their arguments holds the flags."""
_CLONE3, _OPENAT2 = 435, 437


def enter(memory: int, programs: bool) -> dict[str, bool]:
    """Lock this process up for good. `programs` lets it start others (for OCR) and read files.

    Returns which of `limits`, `network` (an empty network namespace) and `calls` (the filter) are in force.
    """
    report = {"limits": _limit(memory, programs), "network": False, "calls": False}
    if not sys.platform.startswith("linux"):
        return report
    libc = ctypes.CDLL(None, use_errno=True)
    report["network"] = _leave_network(libc)
    report["calls"] = _filter_calls(libc, platform.machine(), programs)
    return report


def _limit(memory: int, programs: bool) -> bool:
    wanted = {
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_FSIZE: 0,  # not one byte into any file, whoever opened it
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 64 if programs else 16,
        resource.RLIMIT_CPU: 3_600,
    }
    if not programs:
        wanted[resource.RLIMIT_NPROC] = 0
    done = True
    with contextlib.suppress(OSError):  # when memory is short, this process is the one to go
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")
    for which, value in wanted.items():
        _, hard = resource.getrlimit(which)
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(which, (most, most))
        except (OSError, ValueError):
            done = False
    return done


def _leave_network(libc: ctypes.CDLL) -> bool:
    """Move into an empty network: as root at once, else within a user namespace where that is allowed."""
    return any(libc.unshare(flags) == 0 for flags in (_CLONE_NEWNET, _CLONE_NEWUSER | _CLONE_NEWNET))


def _filter_calls(libc: ctypes.CDLL, machine: str, programs: bool) -> bool:
    if machine not in _ARCH or struct.calcsize("P") != 8:
        return False
    code = program(machine, programs)
    buffer = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog: a count, padded to a pointer's alignment, and a pointer.
    head = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer)))
    zero = ctypes.c_ulong(0)
    libc.prctl(_PR_SET_DUMPABLE, zero, zero, zero, zero)  # no other process reads its memory
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), zero, zero, zero) != 0:
        return False
    return bool(libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_SECCOMP_MODE_FILTER), head, zero, zero) == 0)


def program(machine: str, programs: bool) -> bytes:
    """The filter as classic BPF: struct sock_filter is a code, two jump offsets and a value."""
    refuse, absent = _ERRNO | errno.EPERM, _ERRNO | errno.ENOSYS
    steps: list[tuple[int, int, int, int]] = [
        (_LOAD, 0, 0, _ARCH_AT),
        (_EQUAL, 1, 0, _ARCH[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
    ]
    if machine == "x86_64":
        steps += _when(_AT_LEAST, 0x40000000, refuse)  # the x32 call table
    # The C library falls back from these where they don't exist: their arguments can't be seen by a filter.
    steps += [step for call in (_CLONE3, _OPENAT2) for step in _when(_EQUAL, call, absent)]
    for call in _READING[machine] + (_PROGRAMS[machine] if programs else ()):
        steps += _when(_EQUAL, call, _ALLOW)
    for call, argument in _OPEN[machine] if programs else ():
        steps += [
            (_EQUAL, 0, 4, call),
            (_LOAD, 0, 0, _ARGUMENTS_AT + 8 * argument),
            (_BITS, 0, 1, _WRITE_FLAGS),
            (_RETURN, 0, 0, refuse),
            (_RETURN, 0, 0, _ALLOW),
        ]
    steps.append((_RETURN, 0, 0, refuse))
    return b"".join(struct.pack("HBBI", *step) for step in steps)


def _when(test: int, value: int, answer: int) -> Sequence[tuple[int, int, int, int]]:
    return [(test, 0, 1, value), (_RETURN, 0, 0, answer)]
