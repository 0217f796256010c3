"""Documents of many kinds in one mail sent by SMTP: their words are found, and what can't be read is told."""

from __future__ import annotations

import smtplib
import time
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from api import views
from search.access import Purpose
from tests.support.documents import doc, docx, odt, pdf, png, ppt, tnef, xls, zipped
from tests.support.holdfast import Home, actor

PURPOSE = ("--purpose", "legal")
FILES = {
    "a.pdf": pdf("quillpdf"),
    "b.docx": docx("quilldocx"),
    "c.doc": doc("quilldoc"),
    "d.xls": xls("quillxls"),
    "e.ppt": ppt("quillppt"),
    "f.odt": odt("quillodt"),
    "winmail.dat": tnef("quilltnef", {"innermost.docx": docx("quillinner")}),
    "g.zip": zipped({"folder/zipped.pdf": pdf("quillzip"), "locked.doc": doc("quilllocked", encrypted=True)}),
    "cut.docx": docx("quillcut")[:-40],
    "fax.png": png(4, 4, bytes(16)),
}
WORDS = ("pdf", "docx", "doc", "xls", "ppt", "odt", "tnef", "inner", "zip")


def mail(address: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "ann@clinic.example"
    message["To"] = address
    message["Subject"] = "with papers"
    message["Message-ID"] = "<papers@clinic.example>"
    message.set_content("see what is attached\n")
    message.add_alternative("<p>see <b>quillhtml</b></p>", subtype="html")
    for name, data in FILES.items():
        message.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    return message


def searched(home: Home, token: str, query: str) -> Any:
    return home.ok("search", query, *PURPOSE, "--json", token=token).document


def test_words_of_attachments_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path)
    home.init()
    address = home.feed()
    token = home.user("officer", "compliance_officer")
    with home.serving() as server:
        with smtplib.SMTP("127.0.0.1", server.smtp) as smtp:
            smtp.send_message(mail(address), "ann@clinic.example", [address])
        until = time.monotonic() + 120
        while searched(home, token, "quillhtml")["total"] != 1:
            assert time.monotonic() < until
            time.sleep(0.2)
        for word in WORDS:
            assert searched(home, token, f"attachment:quill{word}")["total"] == 1, word
        assert searched(home, token, "quillinner quillpdf quillxls")["total"] == 1
        assert searched(home, token, "filename:innermost.docx")["total"] == 1
        assert searched(home, token, "body:quillpdf")["total"] == 0
        for hidden in ("quilllocked", "quillcut"):
            assert searched(home, token, hidden)["total"] == 0
        page = searched(home, token, "quillpdf")
        assert page["not_searchable"]["partly"] == 1
        with home.app() as app:
            # A page gives its excerpts a second for attachments; here they have all the time they take.
            monkeypatch.setattr("search.excerpts.PAGE_SECONDS", 60.0)
            (item,) = views.search_page(app.room.search(actor(), Purpose.LEGAL, "quillpdf"))["items"]
        assert "<mark>quillpdf</mark>" in item["snippet"]
        assert "<mark>quillhtml</mark>" in searched(home, token, "quillhtml")["items"][0]["snippet"]
        shown = home.ok("show", page["items"][0]["id"], *PURPOSE, "--json", token=token).document
        why = {part["filename"]: part["text_status"] for part in shown["parts"] if part["filename"]}
        assert why["cut.docx"] == "damaged"
        assert why["fax.png"] == "no_text"
        assert why["g.zip/locked.doc"] == "encrypted"
        assert why["g.zip/folder/zipped.pdf"] == why["winmail.dat/innermost.docx"] == "indexed"
        assert server.stop() == 0
    assert home.verify() == []
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.is_relative_to(home.home):
            assert b"quill" not in path.read_bytes(), path
