"""What the decoding process gives up before it looks at a file: memory, time, network, programs, other files.

A hostile file that takes a decoder over finds nothing to reach: not the database's socket, not the secrets, not
another member's upload. Linux offers this to every process without any privilege (resource limits, Landlock,
seccomp); what a system does not offer is left as it is. Nothing is decoded here.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

MAX_OUTPUT = 2**30
"""Bytes of the largest file that may be written."""

READABLE = ("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/dev/urandom", "/sys/devices/system/cpu")
"""Beside Python and its libraries, what loading a library may read."""

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38

# Landlock, linux/landlock.h: the calls have the same numbers on every architecture.
LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446
LANDLOCK_VERSION_FLAG = 1
LANDLOCK_PATH_BENEATH = 1
READ = 1 << 0 | 1 << 2 | 1 << 3
"""Execute (map a library), read a file, list a folder."""
ALL_OF_VERSION = (0, (1 << 13) - 1, (1 << 14) - 1, (1 << 15) - 1)
ALL_OF_FILE = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14
NET_TCP = 0b11
SCOPES = 0b11

# seccomp, linux/seccomp.h and linux/filter.h.
SECCOMP_MODE_FILTER = 2
SECCOMP_ALLOW, SECCOMP_REFUSE = 0x7FFF0000, 0x00050001
REFUSED_CALLS = {
    "x86_64": (0xC000003E, (41, 53, 59, 101, 310, 311, 322, 425)),
    "aarch64": (0xC00000B7, (198, 199, 221, 117, 270, 271, 281, 425)),
}
"""Audit number of the architecture, and there: socket, socketpair, execve, ptrace, process_vm_readv and writev,
execveat, io_uring_setup."""


def confine(folder: Path, source: Path, *, memory: int, seconds: int) -> None:
    """Keep `memory` bytes of address space, `seconds` of CPU, reading `source` and writing below `folder`."""
    _limit(memory, seconds)
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNET) != 0:
            libc.unshare(CLONE_NEWUSER | CLONE_NEWNET)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
        _lock_files(libc, folder, source)
        _refuse_calls(libc)


def _limit(memory: int, seconds: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_OUTPUT, MAX_OUTPUT))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    with suppress(OSError):
        os.nice(10)


def _lock_files(libc: ctypes.CDLL, folder: Path, source: Path) -> None:
    """Landlock: no path but those named here can be opened from now on, and no TCP connection be made."""
    version = int(libc.syscall(LANDLOCK_CREATE, None, 0, LANDLOCK_VERSION_FLAG))
    if version < 1:
        return
    everything = ALL_OF_VERSION[min(version, 3)]
    wanted = struct.pack("=QQQ", everything, NET_TCP, SCOPES)[: 24 if version >= 6 else 16 if version >= 4 else 8]
    ruleset = int(libc.syscall(LANDLOCK_CREATE, wanted, len(wanted), 0))
    if ruleset < 0:
        return
    try:
        allowed = [(Path(place), READ) for place in (*READABLE, sys.prefix, sys.base_prefix, *sys.path) if place]
        for place, access in (*allowed, (source, READ), (folder, everything)):
            _allow(libc, ruleset, place, access & everything)
        libc.syscall(LANDLOCK_RESTRICT, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(libc: ctypes.CDLL, ruleset: int, place: Path, access: int) -> None:
    try:
        opened = os.open(place, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not place.is_dir():
            access &= ALL_OF_FILE
        rule = struct.pack("=Qi", access, opened)
        libc.syscall(LANDLOCK_ADD, ruleset, LANDLOCK_PATH_BENEATH, rule, 0)
    finally:
        os.close(opened)


class _Program(ctypes.Structure):
    """struct sock_fprog"""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def _refuse_calls(libc: ctypes.CDLL) -> None:
    """Seccomp: opening a socket, starting a program and reading another process fail from now on."""
    known = REFUSED_CALLS.get(platform.machine())
    if known is None or sys.maxsize < 2**32:  # A 32-bit program has other numbers.
        return
    code = b"".join(_filter(*known))
    program = _Program(len(code) // 8, code)
    libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)


def _filter(architecture: int, calls: tuple[int, ...]) -> Iterable[bytes]:
    """The filter, one instruction at a time (struct sock_filter: code, jump if true, if false, value).

    Another architecture's calls and the x32 calls of x86_64 are refused altogether.
    """
    load, equal, at_least, answer = 0x20, 0x15, 0x35, 0x06
    left = len(calls)
    yield struct.pack("=HBBI", load, 0, 0, 4)  # seccomp_data.arch
    yield struct.pack("=HBBI", equal, 0, left + 3, architecture)
    yield struct.pack("=HBBI", load, 0, 0, 0)  # seccomp_data.nr
    yield struct.pack("=HBBI", at_least, left + 1, 0, 0x40000000)
    for index, call in enumerate(calls):
        yield struct.pack("=HBBI", equal, left - index, 0, call)
    yield struct.pack("=HBBI", answer, 0, 0, SECCOMP_ALLOW)
    yield struct.pack("=HBBI", answer, 0, 0, SECCOMP_REFUSE)
