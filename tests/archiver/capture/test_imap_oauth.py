"""Signing in with access tokens: a real Dovecot that checks them, and a token endpoint over TLS."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from archiver.capture.imap.errors import RateLimited, SignInRefused
from archiver.capture.imap.oauth import BadTokenEndpointError, TokenEndpoint, TokenSource, check_endpoint
from archiver.capture.imap.source import Auth, ImapSource
from archiver.errors import CaptureError, SourceUnreachable
from tests.archiver.capture.doors import MemoryIntake
from tests.archiver.capture.imap_script import (
    Box,
    MemoryCheckpoints,
    MemoryGaps,
    ScriptedImap,
    poller,
    scripted,
)
from tests.servers.dovecot import USER, DovecotServer, dovecot_server, fill
from tests.servers.tokens import TokenServer, token_server


@pytest.fixture
def tokens(tmp_path: Path) -> Iterator[TokenServer]:
    with token_server(tmp_path, USER) as server:
        yield server


@pytest.fixture(autouse=True)
def nothing_secret_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    for secret in ("-marker", "client-secret", "refresh-"):
        assert secret not in caplog.text


def endpoint(tokens: TokenServer, tmp_path: Path, *, refresh: bool = True) -> TokenEndpoint:
    (tmp_path / "client").write_text(tokens.client[1] + "\n")
    (tmp_path / "refresh").write_text(tokens.refresh_token + "\n")
    return TokenEndpoint(
        tokens.url,
        tokens.client[0],
        f"file:{tmp_path / 'client'}",
        f"file:{tmp_path / 'refresh'}" if refresh else None,
        "https://mail.example/.default",
        tokens.ca_file,
    )


def mailbox(server: DovecotServer, source: TokenSource, auth: Auth) -> ImapSource:
    return ImapSource(
        "imap-1", "localhost", USER, source.get, port=server.port, ca_file=server.ca_file, auth=auth,
    )  # fmt: skip


@pytest.mark.parametrize("auth", ["xoauth2", "oauthbearer"])
def test_a_real_server_and_tokens_that_end(tmp_path: Path, tokens: TokenServer, auth: Auth) -> None:
    maildir = tmp_path / "Maildir"
    fill(maildir, [b"Subject: %d\r\n\r\n" % n for n in range(60)])
    source = TokenSource(endpoint(tokens, tmp_path))
    with dovecot_server(tmp_path, maildir, introspection=tokens.introspection) as server:
        intake, checkpoints, gaps = MemoryIntake(), MemoryCheckpoints(), MemoryGaps()
        reading = poller(mailbox(server, source, auth), checkpoints, intake, gaps)
        assert asyncio.run(reading.poll_once()).stored == 60
        assert tokens.given == 1
        assert tokens.asked[0] == {
            "client_id": "client-1", "client_secret": "client-secret", "grant_type": "refresh_token",
            "refresh_token": "refresh-1", "scope": "https://mail.example/.default",
        }  # fmt: skip
        asyncio.run(reading.poll_once())
        assert tokens.given == 1, "a token that is good is used again"
        # Withdrawn before its time: the sign-in fails once, and is done with a new one.
        tokens.withdraw()
        fill(maildir, [b"Subject: later\r\n\r\n"], start=100)
        assert asyncio.run(reading.poll_once()).stored == 1
        assert tokens.given == 2
        # The consent was taken back.
        tokens.withdraw()
        tokens.refresh_token = "another"
        with pytest.raises(SignInRefused, match="token endpoint"):
            asyncio.run(reading.poll_once())
        assert gaps.counts("unreachable") == [0]
        # A wrong token, again and again.
        wrong = ImapSource(
            "i", "localhost", USER, lambda _: "wrong", port=server.port, ca_file=server.ca_file, auth=auth
        )
        with pytest.raises(SignInRefused):
            asyncio.run(poller(wrong, checkpoints, intake).poll_once())


@pytest.mark.parametrize(
    "how", ["{tag} NO [EXPIRED] zebra\r\n", "* BYE Session invalidated - AccessTokenExpired {tag}\r\n"]
)
def test_a_token_that_ends_in_the_middle(tmp_path: Path, tokens: TokenServer, how: str) -> None:
    server = ScriptedImap({b"INBOX": Box({n: b"mail %d\r\n" % n for n in range(1, 61)}, uidnext=61)})
    source = TokenSource(endpoint(tokens, tmp_path))
    used: list[str] = []

    def hook(line: str) -> bytes | None:
        tag, _, rest = line.partition(" ")
        if rest.startswith("AUTHENTICATE XOAUTH2"):
            used.append(rest.split(" ")[2])
        if "UID FETCH 26" in line and "BODY" in line and len(used) == 1:
            return how.format(tag=tag).encode()
        return None

    server.hook = hook
    server.capabilities = "IMAP4rev1 SASL-IR"
    with scripted(tmp_path, server) as plain:
        mail = ImapSource(
            "imap-1", "localhost", USER, source.get, port=plain.port, ca_file=plain.ca_file, auth="xoauth2"
        )
        intake, gaps = MemoryIntake(), MemoryGaps()
        result = asyncio.run(poller(mail, MemoryCheckpoints(), intake, gaps).poll_once())
    assert result.stored == 60 == intake.submitted
    assert len(set(used)) == 2 == tokens.given
    assert gaps.said == []


def test_a_server_without_initial_responses(tmp_path: Path, tokens: TokenServer) -> None:
    server = ScriptedImap({b"INBOX": Box({1: b"mail\r\n"}, uidnext=2)})
    waiting = ""

    def hook(line: str) -> bytes | None:
        nonlocal waiting
        if " AUTHENTICATE " in line:
            assert line.endswith("AUTHENTICATE XOAUTH2")
            waiting = line.split(" ")[0]
            return b"+ \r\n"
        if waiting:
            tag, waiting = waiting, ""
            return f"{tag} OK [CAPABILITY IMAP4rev1] in\r\n".encode()
        return None

    server.hook = hook
    with scripted(tmp_path, server) as plain:
        source = TokenSource(endpoint(tokens, tmp_path))
        mail = ImapSource(
            "i", "localhost", USER, source.get, port=plain.port, ca_file=plain.ca_file, auth="xoauth2"
        )
        assert asyncio.run(poller(mail, MemoryCheckpoints(), MemoryIntake()).poll_once()).stored == 1


def test_tokens_are_kept_for_their_life(tmp_path: Path, tokens: TokenServer) -> None:
    now = 0.0
    source = TokenSource(endpoint(tokens, tmp_path), lambda: now)
    first = source.get()
    now = 3600 - 61
    assert source.get() == first
    now = 3600 - 59
    assert source.get() != first
    assert source.get(True) not in (first, "")
    assert tokens.given == 3
    assert "-marker" not in repr(source)


def test_a_refresh_token_that_is_replaced_is_kept(tmp_path: Path, tokens: TokenServer) -> None:
    tokens.rotate = True
    source = TokenSource(endpoint(tokens, tmp_path))
    source.get()
    assert (tmp_path / "refresh").read_text() == "refresh-2\n"
    source.get(True)
    # The next process begins with what the file says.
    again = TokenSource(source.endpoint)
    assert again.get()
    assert [form["refresh_token"] for form in tokens.asked] == ["refresh-1", "refresh-2", "refresh-3"]


def test_a_replaced_refresh_token_lives_in_memory_where_it_came_by_environment(
    tmp_path: Path, tokens: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens.rotate = True
    monkeypatch.setenv("MAILBOX_REFRESH", "refresh-1")
    given = endpoint(tokens, tmp_path)
    source = TokenSource(
        TokenEndpoint(
            given.url, given.client_id, given.client_secret, "env:MAILBOX_REFRESH", None, given.ca_file
        )
    )
    source.get()
    source.get(True)
    assert [form["refresh_token"] for form in tokens.asked] == ["refresh-1", "refresh-2"]


def test_client_credentials(tmp_path: Path, tokens: TokenServer) -> None:
    assert TokenSource(endpoint(tokens, tmp_path, refresh=False)).get() == "token-1-marker"
    assert tokens.asked[0]["grant_type"] == "client_credentials"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((400, b'{"error":"invalid_grant","error_description":"refresh-zebra"}'), SignInRefused),
        ((401, b""), SignInRefused),
        ((429, b"zebra"), RateLimited),
        ((500, b"zebra"), SourceUnreachable),
        ((302, b""), SourceUnreachable),
        ((200, b"not json"), SourceUnreachable),
        ((200, b"[1]"), SourceUnreachable),
        ((200, b"{}"), SourceUnreachable),
        ((200, b'{"access_token":"a b"}'), SourceUnreachable),
        ((200, b'{"access_token":"a\\r\\nb"}'), SourceUnreachable),
        ((200, b'{"access_token":"' + b"x" * 100_000 + b'"}'), SourceUnreachable),
    ],
)
def test_what_an_endpoint_may_answer(
    tmp_path: Path, tokens: TokenServer, answer: tuple[int, bytes], error: type[CaptureError]
) -> None:
    tokens.answer = answer
    with pytest.raises(error) as caught:
        TokenSource(endpoint(tokens, tmp_path)).get()
    assert "zebra" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_an_endpoint_that_is_not_trusted_or_not_there(tmp_path: Path, tokens: TokenServer) -> None:
    good = endpoint(tokens, tmp_path)
    for url, ca_file in ((good.url, None), ("https://localhost:1/token", good.ca_file)):
        with pytest.raises(SourceUnreachable):
            TokenSource(TokenEndpoint(url, "c", None, good.refresh_token, None, ca_file)).get()
    assert tokens.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "http://idp.example/token",
        "https:///token",
        "https://u:p@idp.example/",
        "https://h:0/",
        "idp",
        "https://[x/",
    ],
)
def test_endpoints_that_get_no_secrets(url: str) -> None:
    with pytest.raises(BadTokenEndpointError):
        check_endpoint(url)
