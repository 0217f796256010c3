"""Relays that misbehave, on real sockets: each hand-over ends, and what it says tells what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, AuthResult

from archiver.capture.smtp.tls import self_made_certificate, server_context
from archiver.coverage.relay import GOODBYE, PATIENCE, Patience, RelayError, read_relay, send
from retention.notices.sending import BUSY, CLAIM
from tests.archiver.coverage.stage import Relay
from tests.support.bad_relay import SOON, Line, relay_that
from tests.support.loops import Loop

AT_LEISURE = Patience(step=60.0, whole=90.0, answer=60.0)


def mail() -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "counsel@clinic.example", "ann@clinic.example", "a notice"
    made.set_content("what it says\n")
    return made


def says_nothing(line: Line) -> None:
    line.over.wait(60)


def stops_at_the_dot(line: Line) -> None:
    line.take(answered=False)
    line.over.wait(60)


def stops_in_the_middle(line: Line) -> None:
    line.say("220 relay.example ESMTP")
    line.hear()
    line.say("250 ok")
    line.over.wait(60)


def greets_byte_by_byte(line: Line) -> None:
    line.drip(b"220 " + b"x" * 2000)


def greets_without_an_end(line: Line) -> None:
    line.drip(b"220-x\r\n")


def answers_the_dot_byte_by_byte(line: Line) -> None:
    line.take(answered=False)
    line.drip(b"250-x\r\n")


@pytest.mark.parametrize(
    "does",
    [
        says_nothing,
        stops_in_the_middle,
        stops_at_the_dot,
        greets_byte_by_byte,
        greets_without_an_end,
        answers_the_dot_byte_by_byte,
    ],
)
def test_a_relay_that_hangs_is_left(does: Callable[[Line], None]) -> None:
    with (
        relay_that(does) as (relay, _),
        pytest.raises(RelayError, match="too slow or says nothing") as caught,
    ):
        send(relay, mail(), patience=SOON)
    assert (caught.value.kind, caught.value.smtp_code) == ("slow", None)


def test_no_hand_over_outlasts_a_claim() -> None:
    """Else another process would send the same mail beside us."""
    longest = PATIENCE.whole + PATIENCE.answer + GOODBYE
    assert BUSY.total_seconds() + longest < CLAIM.total_seconds()
    assert PATIENCE.step <= PATIENCE.whole < PATIENCE.answer


def hangs_up_at_the_dot(line: Line) -> None:
    line.take(answered=False)


def hangs_up_at_once(_: Line) -> None:
    pass


@pytest.mark.parametrize("does", [hangs_up_at_once, hangs_up_at_the_dot])
def test_a_relay_that_goes_away_before_it_answers_took_nothing_for_all_we_know(
    does: Callable[[Line], None],
) -> None:
    with relay_that(does) as (relay, _), pytest.raises(RelayError, match="hangs up") as caught:
        send(relay, mail(), patience=AT_LEISURE)
    assert (caught.value.kind, caught.value.refuses_us) == ("unreachable", False)


def hangs_up(line: Line) -> None:
    line.take()


def refuses_the_goodbye(line: Line) -> None:
    line.take()
    assert line.hear().upper() == b"QUIT\r\n"
    line.say("421 4.3.2 too many of you")


def mangles_the_goodbye(line: Line) -> None:
    line.take()
    line.hear()
    line.say("\x00" * 9000)


@pytest.mark.parametrize("does", [hangs_up, refuses_the_goodbye, mangles_the_goodbye])
def test_what_was_taken_is_taken_whatever_the_relay_does_then(does: Callable[[Line], None]) -> None:
    """It would be sent again else, and again."""
    with relay_that(does) as (relay, heard):
        send(relay, mail(), patience=AT_LEISURE)
    assert heard.count(b".\r\n") == 1


@pytest.mark.parametrize("greeting", ["HTTP/1.1 400 Bad Request", "\x16\x03\x01", "\xff" * 300])
def test_what_is_no_relay_is_told_from_one_that_refuses(greeting: str) -> None:
    with relay_that(lambda line: line.say(greeting)) as (relay, _), pytest.raises(RelayError) as caught:
        send(relay, mail(), patience=AT_LEISURE)
    assert (caught.value.kind, caught.value.smtp_code) == ("unreachable", None)
    assert "check its host" in str(caught.value)
    assert "HTTP" not in str(caught.value)


def test_no_starttls_is_no_hand_over() -> None:
    def offers_none(line: Line) -> None:
        line.say("220 relay.example ESMTP")
        while line.hear():
            line.say("250 relay.example")

    with relay_that(offers_none) as (relay, heard):
        starttls = read_relay(f"smtp://localhost:{relay.port}?starttls")
        with pytest.raises(RelayError, match="offers no STARTTLS") as caught:
            send(starttls, mail(), patience=AT_LEISURE)
    assert caught.value.kind == "no_starttls"
    assert not any(line.startswith(b"MAIL") for line in heard)


def test_a_starttls_refused_for_now_is_an_answer_to_us() -> None:
    def refuses(line: Line) -> None:
        line.say("220 relay.example ESMTP")
        line.hear()
        line.say("250-relay.example\r\n250 STARTTLS")
        line.hear()
        line.say("454 4.7.0 not now")

    with relay_that(refuses) as (relay, _), pytest.raises(RelayError) as caught:
        send(read_relay(f"smtp://127.0.0.1:{relay.port}?starttls"), mail(), patience=AT_LEISURE)
    assert (caught.value.kind, caught.value.refuses_us) == ("smtp_454", True)


# --- certificates and the sign-in, with a real server ---------------------------------------------


@contextmanager
def secured(folder: Path, host: str, password: bytes = b"") -> Iterator[tuple[int, Path, Relay]]:
    """aiosmtpd with STARTTLS and a certificate for `host`; with a password, it asks for a sign-in."""
    made, loop = Relay(), Loop()
    certificate, key = self_made_certificate(folder, host)

    def authenticator(*given: object) -> AuthResult:
        right = given[-1].password == password  # type: ignore[attr-defined]
        return AuthResult(success=right, handled=False)

    server = loop.run(
        loop.loop.create_server(
            lambda: SMTP(
                made,
                tls_context=server_context(certificate, key),
                authenticator=authenticator,
                auth_required=bool(password),
                loop=loop.loop,
            ),
            "127.0.0.1",
            0,
        )
    )
    try:
        yield server.sockets[0].getsockname()[1], certificate, made
    finally:
        loop.loop.call_soon_threadsafe(server.close)
        loop.close()


def test_the_sign_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIGHT", "correct horse")
    monkeypatch.setenv("WRONG", "battery staple")
    with secured(tmp_path, "127.0.0.1", b"correct horse") as (port, authority, made):
        relay = read_relay(f"smtp://ann@127.0.0.1:{port}?starttls&ca={authority}")
        with pytest.raises(RelayError, match="check the user in its address and the password") as caught:
            send(relay, mail(), "env:WRONG", AT_LEISURE)
        assert (caught.value.kind, caught.value.refuses_us) == ("smtp_535", True)
        assert "battery" not in repr(caught.value)
        with pytest.raises(RelayError, match="password can't be read") as caught:
            send(relay, mail(), "env:NOWHERE", AT_LEISURE)
        assert caught.value.kind == "password"
        assert made.taken == []
        send(relay, mail(), "env:RIGHT", AT_LEISURE)
        assert len(made.taken) == 1


def test_a_sign_in_where_none_is_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIGHT", "correct horse")

    def no_extensions(line: Line) -> None:
        line.say("220 relay.example ESMTP")
        while line.hear():
            line.say("250 relay.example")

    with (
        relay_that(no_extensions) as (relay, _),
        pytest.raises(RelayError, match="offers no sign-in") as caught,
    ):
        send(read_relay(f"smtp://ann@127.0.0.1:{relay.port}"), mail(), "env:RIGHT", AT_LEISURE)
    assert caught.value.kind == "no_sign_in"


@pytest.mark.parametrize("host", ["relay.example", "192.0.2.1"])
def test_a_certificate_of_another_host(tmp_path: Path, host: str) -> None:
    with secured(tmp_path, host) as (port, authority, made):
        for name in ("127.0.0.1", "localhost"):
            relay = read_relay(f"smtp://{name}:{port}?starttls&ca={authority}")
            with pytest.raises(RelayError, match="another host's") as caught:
                send(relay, mail(), patience=AT_LEISURE)
            assert caught.value.kind == "certificate"
        assert made.taken == []


def test_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    with secured(tmp_path, "127.0.0.1") as (port, authority, made):
        relay = read_relay(f"smtp://127.0.0.1:{port}?starttls")
        with pytest.raises(RelayError, match="name its authority with ca=FILE"):
            send(relay, mail(), patience=AT_LEISURE)
        for wrong in (tmp_path / "nowhere.pem", tmp_path / "empty.pem"):
            (tmp_path / "empty.pem").touch()
            with pytest.raises(RelayError, match="ca= names") as caught:
                send(read_relay(f"smtp://127.0.0.1:{port}?starttls&ca={wrong}"), mail(), patience=AT_LEISURE)
            assert caught.value.kind == "certificate"
        assert made.taken == []
        send(read_relay(f"smtp://127.0.0.1:{port}?starttls&ca={authority}"), mail(), patience=AT_LEISURE)
        assert len(made.taken) == 1
