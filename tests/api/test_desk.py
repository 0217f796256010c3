"""The web desk: what people see, and that queries and ids of content stay out of addresses."""

from __future__ import annotations

import re
from html import unescape

import httpx
import pytest

from api.http.desk_page import NAVIGATION
from api.http.pages import STATIC
from search.access import Role
from tests.api.house import HOSTILE_SUBJECT, House

OFFICER = "compliance_officer-person"


def token_of(page: httpx.Response) -> str:
    """The form token that a page was given."""
    found = re.search(r'name="form_token" value="([0-9a-f]{64})"', page.text)
    assert found
    return found[1]


def search(client: httpx.Client, query: str, **more: str) -> httpx.Response:
    """Send the search form as the page has it."""
    home = client.get("/")
    fields = {"form_token": token_of(home), "query": query, "purpose": "operations", "sort": "newest"}
    return client.post("/search", data={**fields, **more})


def test_a_link_shows_one_button_and_is_spent_by_it_alone(house: House) -> None:
    client = house.client()
    client.headers.update({"Accept": "text/html", "Sec-Fetch-Site": "same-origin"})
    path = house.app.accounts.link(OFFICER).removeprefix(house.base)
    for _ in range(3):  # mail scanners and previews open links
        page = client.get(path)
        assert page.status_code == 200
        assert page.text.count("<button") == 1
        assert not page.cookies
    answer = client.post(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("holdfast=hf_")
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Secure" not in cookie
    assert client.get("/").status_code == 200
    again = house.client().post(path, headers={"Sec-Fetch-Site": "same-origin", "Accept": "text/html"})
    assert again.status_code == 401
    assert "was used or has expired" in unescape(again.text)


def test_a_foreign_page_cannot_sign_anybody_in(house: House) -> None:
    path = house.app.accounts.link(OFFICER).removeprefix(house.base)
    assert house.client().post(path, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert house.client().post(path, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 303


def test_results_show_hits_totals_and_hostile_text_as_text(house: House) -> None:
    client = house.sign_in(OFFICER)
    page = search(client, "zebrafinch OR okapi")
    assert page.status_code == 200
    assert "4 messages" in page.text
    assert page.text.count("<mark>zebrafinch</mark>") == 3
    assert "<script" not in page.text
    assert HOSTILE_SUBJECT in unescape(page.text)
    assert "Understood as" in page.text


RETENTION = (
    "/retention/schedules",
    "/retention/policy",
    *(f"/retention?years={years}" for years in (5, 10, 20, 50)),
)
"""What the page of retention leads to: nothing there says anything of a message."""


def test_no_page_has_script_inline_style_or_anything_from_elsewhere(house: House) -> None:
    client = house.sign_in(OFFICER)
    admin = house.sign_in("administrator-person")
    results = search(client, "okapi")
    shown = client.post(
        f"/messages/{house.ids[-1]}", data={"form_token": token_of(results), "purpose": "legal"}
    )
    places = [person.get(path) for path, _, _ in NAVIGATION for person in (client, admin)]
    for page in (*places, results, shown, admin.get("/"), client.get("/no")):
        assert not re.search(
            r"<script|<style|\sstyle=|\son[a-z]+=|javascript:|<iframe|<img[^>]+src=\"http", page.text
        )
        assert set(re.findall(r'(?:src|href)="([^"#]+)"', page.text)) <= {
            "/static/desk.css",
            "/static/mark.svg",
            "/account",
            *(path for path, _, _ in NAVIGATION),
            *RETENTION,
            "/approvals?every=true",
            *(f"/requests?state={state}" for state in ("open", "closed", "all")),
            f"/breach-log?year={house.app.clock.now().year}",
        }
        assert 'method="get"' not in page.text.lower()
        assert "<form" not in re.sub(r'<form[^>]*method="post"', "", page.text)
    assert "url(" not in (STATIC / "desk.css").read_text()


def test_pages_follow_by_form(shared_house: House) -> None:
    client = shared_house.sign_in(OFFICER)
    page = search(client, "zebrafinch")
    seen = re.findall(r'formaction="/messages/(\w+)"', page.text)
    while "Next page" in page.text:
        cursor = unescape(re.findall(r'name="cursor" value="([^"]+)"', page.text)[-1])
        page = search(client, "zebrafinch", cursor=cursor)
        seen += re.findall(r'formaction="/messages/(\w+)"', page.text)
    assert len(seen) == len(set(seen)) == 45


def test_a_message_is_shown_with_its_bcc_and_downloaded_exactly(house: House) -> None:
    client = house.sign_in(OFFICER)
    start = house.audit_size()
    fields = {"form_token": token_of(search(client, "axolotl")), "purpose": "patient_request"}
    page = client.post(f"/messages/{house.ids[-1]}", data=fields)
    assert page.status_code == 200
    for shown in ("quiet@clinic.example", "bcc", "a journal report", "An axolotl for you.", "Disposal date"):
        assert shown in page.text
    raw = client.post(f"/messages/{house.ids[-1]}/raw", data=fields)
    assert raw.content == house.originals[house.ids[-1]]
    assert raw.headers["content-disposition"].startswith("attachment")
    looks = [(e["action"], e["purpose"], e["client"]) for e in house.entries_since(start)]
    assert ("message.read", "patient_request", "desk") in looks
    assert ("message.raw", "patient_request", "desk") in looks
    (report,) = re.findall(r'formaction="/messages/(r\w+)"', page.text)
    assert "Journal report" in client.post(f"/messages/{report}", data=fields).text


def test_what_is_wrong_with_a_query_stands_beside_it(house: House) -> None:
    client = house.sign_in(OFFICER)
    page = search(client, 'from:( "<b>')
    assert page.status_code == 400
    assert 'role="alert"' in page.text
    assert 'value="from:( &#34;&lt;b&gt;"' in page.text
    assert search(client, "okapi", purpose="").status_code == 422
    assert search(client, "okapi", sort="sideways").status_code == 200


def test_a_form_of_another_session_is_refused(house: House) -> None:
    client, other = house.sign_in(OFFICER), house.sign_in("legal-person")
    fields = {"query": "okapi", "purpose": "legal"}
    for token in (token_of(other.get("/")), "", "\u00e9" * 64, "0" * 64):
        answer = client.post("/search", data={**fields, "form_token": token})
        assert answer.status_code == 403
        assert "cross_site" in answer.text
    assert client.post("/search", json=fields).status_code == 422
    many = "&".join(f"a{n}=1" for n in range(60))
    odd = client.post("/search", content=many, headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert odd.status_code == 422


def test_signing_out_ends_the_session_on_the_server(house: House) -> None:
    client = house.sign_in(OFFICER)
    secret = client.cookies["holdfast"]
    answer = client.post("/sign-out", data={"form_token": token_of(client.get("/"))})
    assert answer.status_code == 200
    assert answer.headers["clear-site-data"] == '"cache", "cookies", "storage"'
    assert "holdfast" not in client.cookies
    client.cookies["holdfast"] = secret
    assert client.get("/").status_code == 401


def test_an_idle_session_ends(house: House) -> None:
    client = house.sign_in(OFFICER)
    house.clock.pass_(minutes=15)
    page = client.get("/")
    assert page.status_code == 401
    assert "not_signed_in" in page.text


def test_the_cookie_serves_the_api_too(house: House) -> None:
    client = house.sign_in(OFFICER)
    shown = client.get("/api/v1/session").json()
    assert (shown["user"]["name"], shown["client"]) == (OFFICER, "desk")
    assert client.delete("/api/v1/session").status_code == 204
    assert client.get("/api/v1/session").status_code == 401


@pytest.mark.parametrize(
    ("role", "shown", "hidden"),
    [
        (Role.ADMINISTRATOR, ["Sources", "Users", "shared mailbox"], ["Search the archive", "Audit log"]),
        (Role.PRIVACY_OFFICER, ["Audit log", "audit.read"], ["Search the archive", "Users</h1>"]),
        (Role.RECORDS_MANAGER, ["Dispositions", "Sources"], ["Search the archive", "Audit log"]),
        (Role.LEGAL, ["Search the archive"], ["Audit log", "Users</h1>"]),
    ],
)
def test_each_role_finds_its_own_work(
    shared_house: House, role: Role, shown: list[str], hidden: list[str]
) -> None:
    page = shared_house.sign_in(f"{role}-person").get("/")
    assert page.status_code == 200
    assert all(text in page.text for text in shown)
    assert not any(text in page.text for text in hidden)
    assert "zebrafinch" not in page.text


def test_an_administrator_adds_links_and_disables(house: House) -> None:
    client = house.sign_in("administrator-person")
    fields = {"form_token": token_of(client.get("/")), "name": "Rita <i>", "role": "records_manager"}
    page = client.post("/users", data=fields)
    assert "Rita &lt;i&gt;" in page.text
    (link,) = re.findall(r">(http://[^<]+/sign-in/hf_[\w-]{43})<", page.text)
    user = house.app.accounts.find("Rita <i>")
    rita = house.client()
    rita.headers["Sec-Fetch-Site"] = "same-origin"
    assert rita.post(link.removeprefix(house.base)).status_code == 303
    assert link not in client.get("/").text
    assert "/sign-in/hf_" in client.post(f"/users/{user.id}/link", data=fields).text
    assert client.post(f"/users/{user.id}/disable", data=fields).status_code == 303
    assert rita.get("/").status_code == 401
    taken = client.post("/users", data=fields)
    assert taken.status_code == 409
    assert "name_taken" in taken.text


def test_only_the_known_files_are_served(shared_house: House) -> None:
    client = shared_house.client()
    assert client.get("/static/desk.css").headers["content-type"] == "text/css; charset=utf-8"
    assert client.get("/static/mark.svg").headers["content-type"] == "image/svg+xml"
    for name in ("..%2fpages.py", "desk.py", "%2e%2e", "desk.css%00"):
        assert client.get(f"/static/{name}").status_code == 404
