"""A full disk: mail is put off, reads are refused, and all is well once there is room again."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import httpx

from tests.support.holdfast import HoldfastServer, Home, forbid_files
from tests.support.mail import bulky, numbered
from tests.support.small_disk import fill_up, make_room, small_disk
from tests.support.smtp import blast

QUERY = {"query": "load", "purpose": "audit"}


def search(server: HoldfastServer, token: str) -> httpx.Response:
    return httpx.post(
        f"http://127.0.0.1:{server.http}/api/v1/search",
        json=QUERY,
        headers={"Authorization": f"Bearer {token}"},
        timeout=60,
        trust_env=False,
    )


def fetch(server: HoldfastServer, token: str, path: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}", "X-Purpose": "audit"}
    url = f"http://127.0.0.1:{server.http}/api/v1{path}"
    return httpx.get(url, headers=headers, timeout=60, trust_env=False)


def ready(server: HoldfastServer) -> httpx.Response:
    return httpx.get(f"http://127.0.0.1:{server.http}/readyz", timeout=60, trust_env=False)


def found(server: HoldfastServer, token: str, expected: int) -> None:
    """The search finds so many messages, once they are indexed."""
    for _ in range(600):
        answer = search(server, token)
        assert answer.status_code == 200, answer.text
        if answer.json()["total"] == expected:
            return
        time.sleep(0.1)
    raise AssertionError(f"found {answer.json()['total']} of {expected}: {server.errors[-1000:]}")


def test_home_on_a_full_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 24) as disk:
        home = Home(tmp_path / "base", extra={"HOLDFAST_HOME": str(disk / "home")})
        home.init()
        feed = home.feed()
        token = home.user("carol", "compliance_officer")
        with home.serving() as server:
            first = blast(server.smtp, feed, [numbered(n) for n in range(40)])
            assert len(first.acknowledged) == 40
            found(server, token, 40)

            fill_up(disk)
            late = [bulky(n, 200_000) for n in range(8)] + [numbered(n) for n in range(40, 60)]
            refused = blast(server.smtp, feed, late)
            assert {reply[:3] for reply in refused.replies} <= {"451", "452"}, refused.replies
            assert not refused.acknowledged
            answer = search(server, token)
            assert answer.status_code == 503
            assert "load message" not in answer.text
            assert "'disk'" in ready(server).json()["detail"]

            make_room(disk)
            assert ready(server).json()["status"] == "ready"
            again = blast(server.smtp, feed, late)
            assert len(again.acknowledged) == len(late), again.replies
            found(server, token, 60)
            assert server.stop() == 0
        ids = first.acknowledged | again.acknowledged
        for sha256 in list(ids)[:3]:
            raw = home.ok("show", ids[sha256], "--raw", "--purpose", "audit", token=token).out
            assert hashlib.sha256(raw).hexdigest() == sha256
        source = home.sources()["feed"]
        assert (source["received"], source["stored"]) == (len(ids) + source["duplicates"], len(ids))
        assert home.verify() == []


def test_disk_that_takes_no_writes(tmp_path: Path) -> None:
    """The same by a limit on the server's files, which needs no right to mount."""
    home = Home(tmp_path)
    home.init()
    feed = home.feed()
    token = home.user("carol", "compliance_officer")
    with home.serving() as server:
        first = blast(server.smtp, feed, [numbered(n) for n in range(20)])
        found(server, token, 20)
        server.forbid_writing()
        # One of them is so large that it waits in the spool, which can't be written either.
        late = [numbered(n) for n in range(20, 40)] + [bulky(1, 2_500_000)]
        refused = blast(server.smtp, feed, late)
        assert {reply[:3] for reply in refused.replies} <= {"451", "452"}, refused.replies
        assert not refused.acknowledged
        assert search(server, token).status_code == 503

        message = next(iter(first.acknowledged.values()))
        for path in (f"/messages/{message}", f"/messages/{message}/raw", "/exports", "/matters"):
            answer = fetch(server, token, path)
            assert answer.status_code == 503, (path, answer.text)
            assert "load message" not in answer.text

        # A command that can't write its audit entry shows nothing either, whichever way it would show it.
        purpose = ("--purpose", "audit")
        for args in (
            ("search", "load", *purpose),
            ("show", message, "--raw", *purpose),
            ("show", message, "--json", *purpose),
            ("export", "create", "--query", "load", *purpose),
        ):
            ran = home.script(*args, token=token, before=forbid_files)
            assert (ran.code, ran.out) == (75, b""), (args, ran)
            assert b"load message" not in ran.err

        server.allow_writing()
        again = blast(server.smtp, feed, late)
        assert len(again.acknowledged) == len(late), again.replies
        found(server, token, 40)
        assert server.stop() == 0
    assert home.verify() == []
