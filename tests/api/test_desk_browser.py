"""The desk in a real browser: cookies, Sec-Fetch-Site and the content policy as Chromium understands them."""

from __future__ import annotations

from pathlib import Path

from tests.api.chromium import Browser
from tests.api.house import House


def test_a_person_signs_in_searches_reads_and_signs_out(
    shared_house: House, browser: Browser, tmp_path: Path
) -> None:
    link = shared_house.app.accounts.link("compliance_officer-person")
    browser.open(link)
    assert "signs you in once" in browser.text()
    browser.do("document.querySelector('form button.main').click()")
    assert browser.read("location.pathname") == "/"
    assert browser.read("document.cookie") == ""  # HttpOnly

    browser.read("document.querySelector('#query').value = 'zebrafinch OR okapi'")
    browser.read("document.querySelector('#purpose').value = 'operations'")
    browser.do("document.querySelector('form.search button.main').click()")
    assert "46 messages" in browser.text()
    assert browser.read("location.href") == f"{shared_house.base}/search"
    assert browser.read("document.querySelectorAll('script').length") == 0
    assert browser.read("document.querySelectorAll('mark').length") >= 20

    browser.do("document.querySelector('.pager button').click()")
    assert browser.read("document.querySelectorAll('.results li').length") == 20

    browser.do("document.querySelector('.results button').click()")
    assert "Who really sent and received it" in browser.text()
    assert "zebrafinch appointment" in browser.read("document.querySelector('pre').textContent")
    browser.do("document.querySelector('.bar button').click()")
    assert "46 messages" in browser.text()

    assert browser.overflows(1_200, 360) == []
    browser.screenshot(tmp_path / "results.png")
    assert (tmp_path / "results.png").stat().st_size > 5_000

    browser.do("document.querySelector('form.who button').click()")
    assert "You are signed out" in browser.text()
    browser.open(f"{shared_house.base}/")
    assert browser.read("location.pathname") == "/sign-in"
    # Nothing was blocked by our own content policy, and nothing was missing.
    assert [text for text in browser.complaints if text.startswith("error")] == []


def test_a_page_elsewhere_cannot_use_the_session(
    shared_house: House, browser: Browser, tmp_path: Path
) -> None:
    link = shared_house.app.accounts.link("compliance_officer-person")
    evil = tmp_path / "evil.html"
    evil.write_text(
        f'<form method="post" action="{shared_house.base}/search">'
        '<input name="query" value="okapi"><input name="purpose" value="legal"></form>'
    )
    browser.open(link)
    browser.do("document.querySelector('form button.main').click()")
    browser.open(evil.as_uri())
    browser.do("document.forms[0].submit()")
    # SameSite=Strict keeps the cookie at home, so this is nobody.
    assert "not_signed_in" in browser.text()
