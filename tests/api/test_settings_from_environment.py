"""Settings in the environment: a list is written as people write one."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.errors import ConfigError
from config.settings import load


@pytest.mark.parametrize("written", ['["NC", "VA"]', "['nc','va']", "NC,VA", "nc VA"])
def test_a_list_may_be_written_as_in_the_file(tmp_path: Path, written: str) -> None:
    settings = load({"home": tmp_path}, environ={"HOLDFAST_JURISDICTIONS": written})
    assert sorted(settings.jurisdictions) == ["NC", "VA"]


def test_what_only_looks_like_a_list_is_read_as_it_stands(tmp_path: Path) -> None:
    assert load({"home": tmp_path}, environ={"HOLDFAST_HTTP_LISTEN": "[::1]:8025"}).http_listen.port == 8025
    with pytest.raises(ConfigError, match="jurisdictions"):
        load({"home": tmp_path}, environ={"HOLDFAST_JURISDICTIONS": '["NC"'})
    with pytest.raises(ConfigError, match="time_zone"):
        load({"home": tmp_path}, environ={"HOLDFAST_TIME_ZONE": '["UTC"]'})


def test_a_setting_mistyped_is_told_what_it_may_be(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"unknown setting 'http'; did you mean http_listen\?"):
        load({"home": tmp_path}, environ={"HOLDFAST_HTTP": "127.0.0.1:8025"})
