"""Outlook's `.msg`: the message it converts to."""

from __future__ import annotations

from archiver.capture.files.items import FileItem, Spot
from archiver.capture.files.mapi import to_mime
from archiver.message.extract.faults import Unreadable
from archiver.message.extract.msg import open_msg


def msg_item(spot: Spot, data: bytes) -> FileItem:
    """Return the message that an `.msg` file converts to, the file itself kept beside it.

    Refused as `bad_msg` where it is no OLE file, holds no message (a Word document), or is too damaged.
    """
    try:
        item = open_msg(data)
    except Unreadable:
        return spot.refused("bad_msg")
    raw = to_mime(item, "msg")
    notes = (("converted", ",".join(sorted({"from_msg", *item.problems}))),)
    return spot.found(raw, size=len(data), original=data, notes=notes)
