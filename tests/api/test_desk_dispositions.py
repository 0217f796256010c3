"""The desk's way through a disposition, from the sample to the certificate; and the jobs behind it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import update

from api.jobs import work_of
from archiver.capture.ports import Arrival
from archiver.store.schema import dispositions
from retention.disposition import certificates
from retention.disposition.lists import BEING_MADE
from retention.jobs.kinds import KINDS
from retention.jobs.queue import queue_of
from retention.jobs.runner import JobRunner
from search.access import Purpose, Role
from tests.api.house import House, open_house
from tests.retention.whole_house import mail


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_house(tmp_path_factory.mktemp("desk")) as opened:
        for name, role in (
            ("Olga", Role.COMPLIANCE_OFFICER),
            ("Otto", Role.COMPLIANCE_OFFICER),
            ("Rita", Role.RECORDS_MANAGER),
        ):
            opened.app.accounts.add_user(name, role)
        yield opened


def due(house: House, number: int) -> str:
    """A list of old mail that is due."""
    vault = house.app.vault
    source = vault.sources.by_name("attic") or vault.sources.add("import", "attic")
    vault.archive.commit(
        [
            vault.preparer.prepare(
                Arrival(mail(subject=f"okapi {n}", body="<b>x</b>"), source.id, attested_by="Ada")
            )
            for n in range(number)
        ]
    )
    made = house.app.runs.run()["disposition"]
    assert made
    return str(made)


def post(client: httpx.Client, path: str, **fields: str) -> httpx.Response:
    return client.post(path, data={"form_token": client.headers["X-Test-Form-Token"], **fields})


def hash_on(page: str) -> str:
    found = re.search(r'name="list_sha256" value="(\w{64})"', page)
    assert found
    return found.group(1)


def test_the_whole_way(house: House) -> None:
    made = due(house, 30)
    at = f"/dispositions/{made}"
    olga, otto, rita = (house.sign_in(name) for name in ("Olga", "Otto", "Rita"))
    assert made in olga.get("/dispositions").text
    first = olga.get(at).text
    assert "organisation default" in first
    assert first.count('type="checkbox"') == 25
    following = re.search(rf'href="{at}\?after=(-?\d+)"', first)
    assert following
    assert olga.get(f"{at}?after={following.group(1)}").text.count('type="checkbox"') == 5

    assert post(rita, f"{at}/sample", size="3", seed="court").status_code == 303
    names = re.findall(r'action="[^"]*/sample/(m\w+)"', olga.get(at).text)
    assert len(names) == 3
    # The records manager reads no mail, so there is no button for it, and no way.
    assert "/sample/m" not in rita.get(at).text
    assert post(rita, f"{at}/sample/{names[0]}", purpose="operations").status_code == 403
    assert post(olga, f"{at}/sample/{names[0]}").status_code == 422
    for name in names:
        seen = post(olga, f"{at}/sample/{name}", purpose="operations")
        assert "okapi" in seen.text
        assert "&lt;b&gt;x&lt;/b&gt;" in seen.text
        word = "bad" if name == names[2] else "good"
        assert post(olga, f"{at}/mark/{name}", word=word, note="<i>lease</i>").status_code == 303
    assert post(olga, f"{at}/mark/{names[0]}", word="perhaps").status_code == 422
    page = olga.get(at).text
    assert "must not go" in page
    assert "&lt;i&gt;lease" in page
    stale = hash_on(page)
    assert post(rita, f"{at}/approve", list_sha256=stale).status_code == 409
    off = {f"message.{names[2]}": "on", "reason": "a lease", "what": "exclude"}
    assert post(olga, f"{at}/exclude", **off).status_code == 303
    longer = {f"message.{names[0]}": "on", "reason": "a grant", "what": "extend", "years": "2"}
    assert post(olga, f"{at}/exclude", **longer).status_code == 303
    for wrong in ({"reason": "nothing ticked"}, {**longer, "years": "x"}):
        assert post(olga, f"{at}/exclude", **wrong).status_code == 422
    assert "a lease" in olga.get(at).text

    gone = post(rita, f"{at}/approve", list_sha256=stale)
    assert (gone.status_code, "looked at" in gone.text) == (409, True)
    assert post(rita, f"{at}/approve", list_sha256=hash_on(rita.get(at).text)).status_code == 303
    assert "Execute" in otto.get(at).text
    assert post(otto, f"{at}/execute").status_code == 303
    done = otto.get(at).text
    assert "28 destroyed" in done
    paper = post(rita, f"{at}/certificate", form="pdf")
    assert (paper.headers["content-type"], paper.content[:5]) == ("application/pdf", b"%PDF-")
    assert made in paper.headers["content-disposition"]
    machine = json.loads(post(rita, f"{at}/certificate", form="json").content)
    assert certificates.verify_all(machine)["document"]["outcomes"]["destroyed"] == 28

    # A year after: what became of this message, and was that right? By its id, or by its bytes.
    house.app.accounts.add_user("Addie", Role.ADMINISTRATOR)
    for given in (names[1], machine["items"][0]["sha256"]):
        told = post(rita, "/retention/explain", id=given)
        assert (told.status_code, "Destroyed" in told.text) == (200, True)
        assert f'href="{at}"' in told.text
        assert "kept 10 years" in told.text
        spared = post(house.sign_in("Addie"), "/retention/explain", id=given)
        assert (spared.status_code, "Destroyed" in spared.text, "kept 10 years" in spared.text) == (
            200,
            True,
            False,
        )
    living = post(house.sign_in("Addie"), "/retention/explain", id=names[0])
    assert (living.status_code, "Rules that apply" in living.text) == (200, True)


def test_a_list_that_is_being_made_says_so(house: House) -> None:
    made = due(house, 1)
    with house.app.vault.records.write() as connection:
        connection.execute(
            update(dispositions).where(dispositions.c.id == made).values(items_sha256=BEING_MADE)
        )
    olga = house.sign_in("Olga")
    assert "being made" in olga.get("/dispositions").text
    page = olga.get(f"/dispositions/{made}").text
    assert "being made" in page
    assert "Approve this list" not in page
    assert post(olga, f"/dispositions/{made}/reject", reason="no").status_code == 409


def test_a_rejection_needs_its_reason_shown(house: House) -> None:
    made = due(house, 1)
    olga = house.sign_in("Olga")
    assert post(olga, f"/dispositions/{made}/reject", reason="an <audit> runs").status_code == 303
    assert "an &lt;audit&gt; runs" in olga.get(f"/dispositions/{made}").text


def test_a_form_of_another_session_is_refused(house: House) -> None:
    made = due(house, 1)
    olga = house.sign_in("Olga")
    answer = olga.post(f"/dispositions/{made}/execute", data={"form_token": "x"})
    assert answer.status_code == 403


def test_jobs_finish_executions_and_compact(house: House) -> None:
    app = house.app
    made = due(house, 3)
    shown = app.dispositions.show(actor := app.accounts.authenticate(_token(house), "api"), made)
    app.dispositions.approve(actor, made, shown["list_sha256"])
    otto = app.accounts.find("Otto").id
    with app.vault.records.write() as connection:  # as a server leaves it that is killed
        connection.execute(
            dispositions.update().where(dispositions.c.id == made).values(begun_us=1, begun_by=otto)
        )
    before = {path.name for path in app.vault.packs.directory.iterdir()}
    app.settings = app.settings.model_copy(update={"disposition_compact_percent": 1})
    queue, work = queue_of(app.vault), work_of(app)
    runner = JobRunner(queue, work)
    for kind in ("disposition.resume", "packs.compact"):
        assert kind in KINDS
        queue.enqueue(kind)
        claim = queue.claim([kind])
        assert claim is not None
        runner.run(claim)
    assert [(job["kind"], job["state"]) for job in queue.history(limit=2)] == [
        ("packs.compact", "done"),
        ("disposition.resume", "done"),
    ]
    assert app.dispositions.show(actor, made)["state"] == "executed"
    assert app.dispositions.certificate(actor, made)["document"]["executed"]["by"] == "Otto"
    assert not before & {path.name for path in app.vault.packs.directory.iterdir()}
    assert app.room.open(actor, Purpose.AUDIT, house.ids[0]).raw == house.originals[house.ids[0]]


def _token(house: House) -> str:
    return house.tokens[Role.COMPLIANCE_OFFICER]
