"""The bytes of dispensers.state, to damage them (include/number_dispenser/state/layout.h)."""

import struct

_PAGE = 4096
_SLOTS = 64
_DESCRIPTOR, _BOUND = 256, 128
_DESCRIPTORS = _SLOTS * _DESCRIPTOR
_EXTENT = _DESCRIPTORS + 2 * _SLOTS * _BOUND
_NAME_BYTES, _NAME = 42, 48  # in a descriptor
HEADER_COPIES = (0, 2048)
HEADER_BYTES = 136
VERSION, BYTE_ORDER, STAMP = 8, 12, 88  # in a header
LEASE = 40  # in a bound record


def _crc32c_table():
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        yield byte


_CRC32C = tuple(_crc32c_table())


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC32C[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


class StateFile:
    """The state file of a server, to be changed only while that does not run."""

    def __init__(self, server):
        assert server.process is None
        self.path = server.data / "dispensers.state"

    def read(self):
        return self.path.read_bytes()

    def slot_of(self, name):
        data, wanted = self.read(), name.encode()
        for slot in range((len(data) - _PAGE) // _EXTENT * _SLOTS):
            at = descriptor_offset(slot)
            if data[at + _NAME :][: data[at + _NAME_BYTES]] == wanted:
                return slot
        raise AssertionError(f"no descriptor of {name}")

    def bound(self, slot, copy):
        """One copy of a bound record; it may be of a running server."""
        return self.read()[bound_offset(slot, copy) :][:_BOUND]

    def write(self, offset, data):
        with open(self.path, "r+b") as file:
            file.seek(offset)
            file.write(data)

    def flip(self, offset, bit=0):
        self.write(offset, bytes([self.read()[offset] ^ 1 << bit]))

    def patch_headers(self, offset, data):
        """Changes a field in both copies of the header, with the right checksums."""
        for copy in HEADER_COPIES:
            self._patch(copy, HEADER_BYTES, offset, data)

    def patch_bounds(self, slot, offset, data):
        """The same in both copies of a bound record."""
        for copy in (0, 1):
            self._patch(bound_offset(slot, copy), _BOUND, offset, data)

    def _patch(self, start, length, offset, data):
        record = bytearray(self.read()[start : start + length])
        record[offset : offset + len(data)] = data
        record[-4:] = struct.pack("<I", crc32c(record[:-4]))
        self.write(start, record)


def _extent_offset(slot):
    return _PAGE + slot // _SLOTS * _EXTENT


def descriptor_offset(slot):
    return _extent_offset(slot) + slot % _SLOTS * _DESCRIPTOR


def bound_offset(slot, copy):
    within = copy * _SLOTS * _BOUND + slot % _SLOTS * _BOUND
    return _extent_offset(slot) + _DESCRIPTORS + within
