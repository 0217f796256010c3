"""Exports over HTTP: a ZIP that never lies on a disk and doesn't open when it was cut."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator

import pytest

from api.http.zipstream import zip_stream
from search.access import Role
from tests.api.house import House

API = "/api/v1"
LEGAL = {"X-Purpose": "legal"}


def test_an_export_is_a_zip_of_the_folder(house: House) -> None:
    client = house.client(Role.COMPLIANCE_OFFICER)
    made = client.post(f"{API}/exports", json={"query": "zebrafinch", "purpose": "legal"})
    assert made.status_code == 201
    export = made.json()
    assert export["messages"] == 3
    assert client.get(f"{API}/exports/{export['id']}").json()["state"] == "ready"
    assert [one["id"] for one in client.get(f"{API}/exports").json()["items"]] == [export["id"]]
    assert client.get(f"{API}/exports/{export['id']}/download").status_code == 422

    answer = client.get(f"{API}/exports/{export['id']}/download", headers=LEGAL)
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        manifest = json.loads(archive.read("manifest.json"))
        for item in manifest["items"]:
            assert archive.read(item["file"]) == house.originals[item["id"]]
    assert len(manifest["items"]) == 3


def test_a_zip_cut_short_does_not_open() -> None:
    pieces = list(zip_stream([("a", b"x" * 1_000), ("b/c", b"")]))
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        assert archive.namelist() == ["a", "b/c"]
        assert archive.read("a") == b"x" * 1_000
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(b"".join(pieces[:-1])))


def test_a_zip_is_made_while_it_is_sent() -> None:
    asked = []

    def files() -> Iterator[tuple[str, bytes]]:
        for number in range(3):
            asked.append(number)
            yield str(number), bytes(10_000)

    stream = zip_stream(files())
    assert len(next(stream)) > 10_000
    assert asked == [0]
