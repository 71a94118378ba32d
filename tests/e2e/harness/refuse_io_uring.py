"""Executes a command under a seccomp filter that refuses io_uring, as containers do.

Usage: refuse_io_uring.py EPERM|ENOSYS command [argument ...]
"""

import ctypes
import errno
import os
import struct
import sys

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_IO_URING_CALLS = (425, 426, 427)  # setup, enter, register: the same numbers on every architecture
_LOAD_WORD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _FAIL = 0x7FFF0000, 0x00050000


def _instruction(code, if_true, if_false, operand):
    return struct.pack("HBBI", code, if_true, if_false, operand)


def _program(error):
    count = len(_IO_URING_CALLS)
    parts = [_instruction(_LOAD_WORD, 0, 0, 0)]  # the number of the system call
    for index, number in enumerate(_IO_URING_CALLS):
        parts.append(_instruction(_JUMP_IF_EQUAL, count - index, 0, number))
    parts.append(_instruction(_RETURN, 0, 0, _ALLOW))
    parts.append(_instruction(_RETURN, 0, 0, _FAIL | error))
    return parts


def _install(error):
    parts = _program(error)
    code = ctypes.create_string_buffer(b"".join(parts))
    # struct sock_fprog { unsigned short len; struct sock_filter *filter; }
    header = struct.pack("H6xQ", len(parts), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "no_new_privs")
    if libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "seccomp")


if __name__ == "__main__":
    _install(getattr(errno, sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
