"""Labels are kept in SQLite and in PostgreSQL alike; what a server may do to them besides, loses none."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from tests.helpers.events import START, event
from tests.helpers.postgresql import PASSWORD, Server
from tests.helpers.stores import FilePlace, ServerPlace, StorePlace
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.labels import BackgroundWriter, ClassChange, Event, LabelStore, Round, RoundItem
from tuilabel.labels.store import Seat, ServerAddress, postgresql
from tuilabel.labels.store.team import set_role

ROUND = Round(
    3, START, "margin", 20, 0.93, 1_000, 0.1,
    (RoundItem("a", True, "7", 0.5, 0.01, True, False), RoundItem("b", False, None, None, None)), "ann", "s",
)  # fmt: skip


# -- on both -----------------------------------------------------------------------------------------------------------


def test_what_is_written_is_read_back(place: StorePlace) -> None:
    store = place.open()
    events = [
        event(1, annotator="Zoë 🐈", class_name="猫 'x' \\ \" %s :y"),
        event(2, kind="skip", query_probability=1e-300, audit=True, shown=False, milliseconds=2**40),
        event(3, kind="undo", undoes=event(1).key, step="s", beside=False),
        event(4, kind="note", note="two\nlines"),
    ]
    change = ClassChange("c" * 32, "rename", "猫", "cat", "ann", START, after=4, undoes="d" * 32)
    store.append(events)
    store.add_class_changes([change])
    store.add_round(ROUND)
    for again in (place.open(), place.read()):
        assert again.events() == events
        assert again.class_changes() == [change]
        assert again.rounds() == [ROUND]
        again.close()


def test_nothing_is_written_twice(place: StorePlace) -> None:
    """A connection may be lost after the commit and before the answer: then everything is written again."""
    store = place.open()
    for _ in range(2):
        store.append([event(1)])
        store.add_round(ROUND)
    store.append([event(2), event(1), event(3), event(2)])
    assert store.events() == [event(1), event(2), event(3)]
    assert store.rounds() == [ROUND]


@pytest.mark.parametrize(
    "statement",
    ["UPDATE events SET class_name='0'", "DELETE FROM events", "DELETE FROM round_items", "UPDATE rounds SET number=9"],
)
def test_stored_rows_cannot_be_changed(place: StorePlace, statement: str) -> None:
    store = place.open()
    store.append([event(1)])
    store.add_round(ROUND)
    with pytest.raises(Exception, match="labels are never changed"):
        place.execute(statement)
    assert store.events() == [event(1)]


def test_text_that_no_database_takes_does_not_stop_labelling(place: StorePlace) -> None:
    store = place.open()
    store.append([event(1, annotator="a\0b", note="half \ud83d"), event(2)])
    assert [(e.annotator, e.note) for e in store.events()] == [("a\N{SYMBOL FOR NULL}b", "half \\ud83d"), ("ann", None)]


def test_a_write_is_whole_or_not_there(place: StorePlace) -> None:
    store = place.open()
    store.append([event(1)])
    broken = replace(event(3), annotator=None)  # type: ignore[arg-type]
    with pytest.raises(TuilabelError, match=r"^cannot write .*; "):
        store.append([event(2), broken])
    assert store.events() == [event(1)]


def test_a_store_of_a_newer_version_is_left_alone(place: StorePlace) -> None:
    place.open()
    place.execute("UPDATE about SET version = 99")
    for opening in (place.open, place.read):
        with pytest.raises(TuilabelError, match="newer version"):
            opening()


def test_a_file_that_declares_a_newer_format_is_left_alone(tmp_path: Path) -> None:
    """A later version may keep its format elsewhere: the header of the file counts as well."""
    with FilePlace(tmp_path / "labels.db") as place:
        place.open().append([event(1)])
        place.execute("DROP TABLE about")
        place.execute("PRAGMA user_version = 99")
        for opening in (place.open, place.read):
            with pytest.raises(TuilabelError, match=r"newer version of tuilabel \(format 99\): update tuilabel"):
                opening()


def test_reading_creates_nothing(place: StorePlace) -> None:
    for _ in range(2):
        with pytest.raises(TuilabelError, match="there are no labels at"):
            place.read()


def test_a_store_is_created_once_by_all_who_open_it_at_once(place: StorePlace) -> None:
    stores: list[LabelStore] = []
    threads = [threading.Thread(target=lambda: stores.append(place.open())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k, store in enumerate(stores):
        store.append([event(k)])
    assert [len(store.events()) for store in stores] == [4] * 4


# -- PostgreSQL --------------------------------------------------------------------------------------------------------


def test_projects_share_a_database(server: Server) -> None:
    one, other = ServerPlace(server), ServerPlace(server)
    with one, other:
        one.open().append([event(1)])
        assert other.open().events() == []


def test_answers_wait_while_the_server_is_away_and_none_is_lost(server: Server) -> None:
    failed, saved = threading.Event(), list[Event]()
    reasons: list[str] = []

    def on_failed(reason: str, _waiting: int) -> None:
        reasons.append(reason)
        failed.set()

    with ServerPlace(server) as place:
        store = place.open()
        writer = BackgroundWriter(store, saved.extend, on_failed, retry_after=0.05)
        writer.put(event(1))
        writer.flush()
        server.stop()
        try:
            writer.put(event(2))
            assert failed.wait(10)
            writer.put(event(3))
            assert saved == [event(1)]
        finally:
            server.start()
        writer.flush()
        assert writer.close() == []
        assert saved == store.events() == [event(1), event(2), event(3)]
        assert re.search(r"^cannot write postgresql://.*check that the server can be reached", reasons[0])


def test_a_frozen_server_is_given_up_and_gets_what_waited_once_it_is_back(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its kernel still confirms every byte, so that no timeout of the network helps."""
    monkeypatch.setattr(postgresql, "SILENCE", 0.3)
    monkeypatch.setattr(postgresql, "CONNECT_TIMEOUT", 2)
    failed, reasons = threading.Event(), list[str]()

    def on_failed(reason: str, _waiting: int) -> None:
        reasons.append(reason)
        failed.set()

    with ServerPlace(server) as place:
        store = place.open()
        writer = BackgroundWriter(store, on_failed=on_failed, retry_after=0.05)
        writer.put(event(1))
        writer.flush()
        with server.frozen():
            writer.put(event(2))
            assert failed.wait(20)
            writer.put(event(3))
        writer.flush()
        assert writer.close() == []
        assert store.events() == [event(1), event(2), event(3)]
        assert reasons[0].startswith("cannot write postgresql://")


def test_a_statement_that_a_frozen_server_never_answers_is_given_up(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "SILENCE", 0.3)
    with ServerPlace(server) as place:
        store = place.open()
        silence = pytest.raises(TuilabelError, match=r"the server has not answered for 0 s; it is tried again")
        with silence, store.reading() as connection, server.frozen():
            connection.exec_driver_sql("SELECT 1")
        assert store.events() == []


def test_a_connection_that_the_server_closed_is_replaced(server: Server) -> None:
    with ServerPlace(server) as place:
        store = place.open()
        store.append([event(1)])
        server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        store.append([event(2)])
        assert store.events() == [event(1), event(2)]


def test_who_may_only_add_answers_cannot_change_the_classes(server: Server) -> None:
    """Roles on a server are kept by the server; docs/stores.md has these grants."""
    with ServerPlace(server) as place:
        place.open()
        schema = place.address.schema
        server.sql("DROP ROLE IF EXISTS labeller; CREATE ROLE labeller LOGIN PASSWORD 'x'")
        server.sql(grants(schema))
        url = place.address.url.set(username="labeller")
        theirs = LabelStore.connect(replace(place.address, url=url, password="x"))
        theirs.append([event(1)])
        theirs.add_round(ROUND)
        assert theirs.since().events == (event(1),)
        seat = Seat(theirs, "s", "ada")
        assert [present.annotator for present in seat.enter(["a"]).sessions] == ["ada"]
        seat.renew(["b"], is_active=True)
        seat.leave()
        with pytest.raises(TuilabelError, match=r"permission denied for table members"):
            set_role(theirs, "ada", "owner", by="ada")
        with pytest.raises(TuilabelError, match=r"permission denied for .*; ask the owner"):
            theirs.add_class_changes([ClassChange("c", "add", "owl", None, "ann", START, 0)])
        theirs.close()
        server.sql("DROP OWNED BY labeller; DROP ROLE labeller")


def grants(schema: str) -> str:
    """The grants of the documentation, for a schema and the role `labeller`."""
    text = Path(__file__).parents[2].joinpath("docs", "stores.md").read_text()
    (block,) = re.findall(r"    -- a labeller.*?(?=\n\n|\Z)", text, re.DOTALL)
    return block.replace("photos", schema).replace("ada", "labeller")


def test_errors_never_have_the_password(server: Server) -> None:
    wrong = "s3cret-" + "word"
    address = replace(ServerAddress.parse(server.url, "p"), password=wrong)
    with pytest.raises(TuilabelError, match=r"password authentication failed.*PGPASSWORD") as caught:
        LabelStore.connect(address)
    assert wrong not in f"{caught.value} {caught.value!r} {address!r} {address}"


def test_the_password_comes_from_the_environment(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    address = ServerAddress.parse(server.url, "of_environment")
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    LabelStore.connect(address).close()
    monkeypatch.delenv("PGPASSWORD")
    quoted = "geheim%2F:%40%C3%9F"
    monkeypatch.setenv("TUILABEL_STORE", server.url.replace("@", f":{quoted}@", 1))
    LabelStore.connect(address.with_password_of_environment()).close()
    monkeypatch.setenv("TUILABEL_STORE", f"postgresql://owner:{quoted}@127.0.0.1:1/other")
    assert address.with_password_of_environment().password is None, "of another server"


def test_the_password_comes_from_a_file_that_only_its_owner_reads(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "pgpass"
    escaped = PASSWORD.replace("\\", "\\\\").replace(":", "\\:")
    file.write_text(f"127.0.0.1:{server.port}:*:*:{escaped}\n")
    monkeypatch.setenv("PGPASSFILE", str(file))
    address = ServerAddress.parse(server.url, "of_file")
    file.chmod(0o644)
    with pytest.raises(TuilabelError, match="no password supplied"):
        LabelStore.connect(address)
    file.chmod(0o600)
    LabelStore.connect(address).close()


# -- addresses ---------------------------------------------------------------------------------------------------------


def test_an_address_is_written_without_its_password() -> None:
    text = "postgres://ada:pa%2Fss@db.example.org:5433/labels?sslmode=require&schema=zoo"
    address = ServerAddress.parse(text, "photos", may_have_password=True)
    assert (address.password, address.schema) == ("pa/ss", "zoo")
    assert str(address) == "postgresql://ada@db.example.org:5433/labels?schema=zoo&sslmode=require"
    assert ServerAddress.parse(str(address), "photos") == address
    assert "pa/ss" not in repr(address)


@pytest.mark.parametrize(
    ("project", "schema"), [("photos", "tuilabel_photos"), ("My 2 Zoos!", "tuilabel_my_2_zoos"), ("猫", "tuilabel")]
)
def test_a_project_names_its_schema(project: str, schema: str) -> None:
    assert ServerAddress.parse("postgresql://db/labels", project).schema == schema


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mysql://db/labels", "must be an address such as postgresql://"),
        ("labels.db", "must be an address"),
        ("postgresql://db:port/labels", "must be an address"),
        ("postgresql://ada:hidden@db/labels", "must not hold a password"),
        ("postgresql://db/labels?password=hidden", "must not hold a password"),
        ("postgresql://db/labels?sslpassword=hidden", "unknown parameter 'sslpassword'"),
        ("postgresql://db/labels?schema=Robert'); --", "has a schema"),
    ],
)
def test_a_text_that_is_no_address_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        ServerAddress.parse(text, "photos")
    assert "hidden" not in str(caught.value)
