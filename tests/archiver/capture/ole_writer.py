"""Writes OLE compound files ([MS-CFB] version 3) and Outlook messages in them, for exhibits of our own."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

SECTOR, MINI, CUTOFF = 512, 64, 4096
END, FREE, FAT, NONE = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD, 0xFFFFFFFF
Tree = dict[str, "bytes | Tree"]


def ole(tree: Tree) -> bytes:
    """A compound file with these streams (bytes) and storages (dicts)."""
    names, kinds, datas, children = ["Root Entry"], [5], [b""], [NONE]
    right: list[int] = [NONE]

    def add(content: Tree) -> int:
        first = NONE
        for name in sorted(content, key=lambda n: (len(n), n.upper()), reverse=True):
            value = content[name]
            number = len(names)
            names.append(name)
            kinds.append(1 if isinstance(value, dict) else 2)
            datas.append(b"" if isinstance(value, dict) else value)
            children.append(NONE)
            right.append(first)
            if isinstance(value, dict):
                children[number] = add(value)
            first = number
        return first

    children[0] = add(tree)
    mini, mini_fat = bytearray(), []
    sectors, fat = bytearray(), []

    def place(data: bytes) -> int:
        count = -(-len(data) // SECTOR)
        start = len(fat)
        sectors.extend(data.ljust(count * SECTOR, b"\0"))
        fat.extend([*range(start + 1, start + count), END] if count else [])
        return start if count else END

    starts = []
    for kind, data in zip(kinds, datas, strict=True):
        if kind != 2 or not data:
            starts.append(END)
        elif len(data) < CUTOFF:
            count = -(-len(data) // MINI)
            start = len(mini_fat)
            mini.extend(data.ljust(count * MINI, b"\0"))
            mini_fat.extend([*range(start + 1, start + count), END])
            starts.append(start)
        else:
            starts.append(place(data))
    datas[0] = bytes(mini)
    starts[0] = place(bytes(mini))
    mini_fat_start = place(b"".join(struct.pack("<I", n) for n in mini_fat))
    entries = b""
    for number, name in enumerate(names):
        coded = name.encode("utf-16-le") + b"\0\0"
        entries += coded.ljust(64, b"\0") + struct.pack("<HBB", len(coded), kinds[number], 1)
        entries += struct.pack("<III", NONE, right[number], children[number]) + bytes(16 + 4 + 16)
        entries += struct.pack("<IQ", starts[number], len(datas[number]))
    directory = place(entries.ljust(-(-len(entries) // SECTOR) * SECTOR, b"\0"))
    fat_sectors = 1
    while fat_sectors * (SECTOR // 4) < len(fat) + fat_sectors:
        fat_sectors += 1
    first_fat = len(fat)
    fat.extend([FAT] * fat_sectors)
    table = b"".join(struct.pack("<I", n) for n in fat)
    sectors.extend(table.ljust(fat_sectors * SECTOR, b"\xff"))
    mini_sectors = -(-len(mini_fat) * 4 // SECTOR)
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6)
    header += bytes(6) + struct.pack("<IIIIIIIII", 0, fat_sectors, directory, 0, CUTOFF, mini_fat_start,
                                     mini_sectors, END, 0)  # fmt: skip
    difat = [*range(first_fat, first_fat + fat_sectors), *[FREE] * (109 - fat_sectors)]
    return header + b"".join(struct.pack("<I", n) for n in difat) + bytes(sectors)


@dataclass
class Msg:
    """An Outlook item: properties by id, written with the type that fits the value."""

    props: dict[int, object]
    recipients: list[dict[int, object]] = field(default_factory=list)
    attachments: list[tuple[dict[int, object], bytes | Msg | None]] = field(default_factory=list)
    ansi: bool = False

    def tree(self, skip: int = 32) -> Tree:
        found = properties(self.props, skip, self.ansi)
        for number, recipient in enumerate(self.recipients):
            found[f"__recip_version1.0_#{number:08X}"] = properties(recipient, 8, self.ansi)
        for number, (props, content) in enumerate(self.attachments):
            method = {0x3705: 5 if isinstance(content, Msg) else 1 if content is not None else 6}
            attachment = properties({**method, **props}, 8, self.ansi)
            if isinstance(content, bytes):
                attachment["__substg1.0_37010102"] = content
            elif content is not None:
                attachment["__substg1.0_3701000D"] = content.tree(24)
            found[f"__attach_version1.0_#{number:08X}"] = attachment
        return found

    def bytes(self) -> bytes:
        return ole(self.tree())


def properties(props: dict[int, object], skip: int, ansi: bool) -> Tree:
    tree: Tree = {}
    listed = bytes(skip)
    for key, value in props.items():
        inline, stored = b"", b""
        if isinstance(value, bool):
            kind, inline = 0x000B, struct.pack("<Q", value)
        elif isinstance(value, int):
            kind = 0x0040 if value > 1 << 40 else 0x0003
            inline = struct.pack("<Q", value)
        elif isinstance(value, str) and ansi:
            kind, stored = 0x001E, value.encode("cp1251")
        elif isinstance(value, str):
            kind, stored = 0x001F, value.encode("utf-16-le")
        else:
            assert isinstance(value, bytes)
            kind, stored = 0x0102, value
        if kind in (0x001E, 0x001F, 0x0102):
            tree[f"__substg1.0_{key:04X}{kind:04X}"] = stored
            inline = struct.pack("<II", len(stored), 0)
        listed += struct.pack("<HHI", kind, key, 6) + inline
    tree["__properties_version1.0"] = listed
    return tree


def filetime(seconds: float) -> int:
    """Seconds since 1970 as a FILETIME."""
    return int((seconds + 11_644_473_600) * 10_000_000)
