from __future__ import annotations

from tests.retention.whole_house import House


def test_first(house: House) -> None:
    stored = house.old(3)
    house.index()
    print(house.explainer.explain(house.officer, stored[0].receipt.id))
    d = house.due()
    print(house.dispositions.execute(house.second, d))
    print(house.dispositions.certificate(house.second, d))
    assert not house.keys()
