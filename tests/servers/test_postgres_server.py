"""The PostgreSQL harness gives separate, empty databases."""

from __future__ import annotations

import sqlalchemy as sa

from tests.servers.postgres import fresh_database, postgres_server


def test_databases_are_empty_and_separate() -> None:
    with postgres_server() as server:
        first, second = fresh_database(server), fresh_database(server)
        assert first != second
        for url in (first, second):
            assert url.startswith("postgresql+psycopg://")
            engine = sa.create_engine(url)
            with engine.begin() as connection:
                assert sa.inspect(connection).get_table_names() == []
                connection.execute(sa.text("CREATE TABLE t (x int)"))
            engine.dispose()
