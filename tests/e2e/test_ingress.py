"""From the socket to the durable 2xx (SCENARIOS 6.1, PRODUCT promises 1 and 5)."""

import itertools
import json
import socket
import threading
import time

import pytest
from retell.lib import webhook_auth

from retell_caller import Caller, RawConnection, sign
from world import wait_until


def counter(world, name, **labels):
    total = 0
    for key, value in world.engine.metrics().items():
        if key.split("{")[0] == name and all(f'{label}="{wanted}"' in key for label, wanted in labels.items()):
            total += value
    return total


def test_a_signed_event_is_filed_under_its_tenant(world, caller):  # ING-01
    caller.tell(caller.started())
    row = caller.filed()
    assert (row["company"], row["outcome"], row["direction"], row["to_number"]) == ("fri", "open", "inbound", "+493023125001")


def test_the_default_workspace_keeps_its_old_url(world, caller):
    caller.path = "/api/mcp/retell/webhook"
    caller.tell(caller.started())
    assert caller.filed()["company"] == "fri"


def test_the_key_and_the_signature_are_those_of_the_official_sdk(world):
    vector = "v=1700000000000,d=07024cabe7dd8f6d1c6e4a8324ca92c812e6ad4a7ee506c04f7e462e3321823e"
    assert sign('{"event":"call_ended"}', "test-api-key", 1700000000000) == vector
    assert webhook_auth.symmetric["verify"]('{"event":"call_ended"}', "test-api-key", vector, {"timestamp": 1700000000000})


def bad_signatures():
    def changed_body(c):
        raw = json.dumps(c.started())
        return {"body": raw.replace("inbound", "inbouna"), "signature": sign(raw, c.key, c.world.clock.now_ms())}

    def with_header(change):
        def build(c):
            raw = json.dumps(c.started())
            return {"body": raw, "signature": change(sign(raw, c.key, c.world.clock.now_ms()))}

        return build

    yield "a byte of the body changed", changed_body
    yield "a digit of the signature changed", with_header(lambda s: s[:-1] + ("0" if s[-1] != "0" else "1"))
    yield "no header", lambda c: {"body": c.started(), "signature": ""}
    yield "a foreign key", lambda c: {"body": c.started(), "key": "key_of_somebody_else_0123456789"}
    yield "an empty key", lambda c: {"body": c.started(), "key": ""}
    yield "text after it", with_header(lambda s: s + ",x=1")
    yield "text before it", with_header(lambda s: "x" + s)
    yield "a space in it", with_header(lambda s: s.replace(",", ", "))
    yield "63 digits", with_header(lambda s: s[:-1])
    yield "a leading zero", with_header(lambda s: s.replace("v=", "v=0"))
    yield "no digest", with_header(lambda s: s.split(",")[0])
    yield "6 minutes old", lambda c: {"body": c.started(), "at_ms": c.world.clock.now_ms() - 360_000}
    yield "6 minutes ahead", lambda c: {"body": c.started(), "at_ms": c.world.clock.now_ms() + 360_000}
    yield "seconds for milliseconds", lambda c: {"body": c.started(), "at_ms": c.world.clock.now_ms() // 1000}


@pytest.mark.parametrize("build", [pytest.param(build, id=name.replace(" ", "_")) for name, build in bad_signatures()])
def test_what_does_not_verify_is_refused_without_a_trace(world, caller, build):  # ING-02, ING-03
    before = counter(world, "ringmaster_webhooks_answered_total", status="401")
    answer = caller.send(**build(caller))
    assert (answer.status, answer.body) == (401, b"")
    assert counter(world, "ringmaster_webhooks_answered_total", status="401") == before + 1
    assert caller.row() is None
    assert world.postgres.query(f"SELECT 1 AS x FROM webhooks WHERE call_id = '{caller.call_id}'") == []


@pytest.mark.parametrize("minutes", [-4, 4])
def test_four_minutes_either_way_are_accepted(world, caller, minutes):  # ING-03
    answer = caller.send(caller.started(), at_ms=world.clock.now_ms() + minutes * 60_000)
    assert answer.status == 204


def test_upper_case_hex_is_the_same_signature(world, caller):
    raw = json.dumps(caller.started())
    version, _, digest = sign(raw, caller.key, world.clock.now_ms()).partition(",d=")
    assert caller.send(raw, signature=f"{version},d={digest.upper()}").status == 204


def test_an_unknown_workspace_is_no_place(world, caller):
    answer = caller.send(caller.started(), path="/w/wt_nobody/retell/webhook")
    assert answer.status in (401, 404) and answer.body == b""


EVENTS = ("started", "ended", "analyzed")
ORDERS = sorted(set(itertools.permutations(EVENTS * 2)))


def test_events_in_any_order_and_twice_leave_the_same_record(world):  # ING-06
    compared = ("company", "outcome", "status", "direction", "duration_ms", "disconnection_reason", "call_summary", "user_sentiment", "transcript", "agent_version",
                "booking_confirmed", "recording_url")
    callers, records = [], set()
    for order in ORDERS:
        caller = Caller(world)
        bodies = {"started": caller.started(), "ended": caller.ended(), "analyzed": caller.analyzed({"grund": "Schnitt"})}
        caller.tell(*(bodies[name] for name in order))
        callers.append(caller)
    for caller in callers:
        row = caller.filed(outcome="ended", call_summary="Termin vereinbart.", duration_ms=61_000)
        wait_until(lambda: len(caller.rows("SELECT event FROM call_events WHERE call_id = $CALL")) == 3, 10)
        assert sorted(e["event"] for e in caller.rows("SELECT event FROM call_events WHERE call_id = $CALL")) == ["call_analyzed", "call_ended", "call_started"]
        records.add(json.dumps({name: row[name] for name in compared}, sort_keys=True))
    assert len(records) == 1, records


def test_copies_at_the_same_moment_are_filed_once(world, caller):
    body, statuses = caller.ended(), []
    threads = [threading.Thread(target=lambda: statuses.append(caller.send(body).status)) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert statuses == [204] * 8
    caller.filed()
    time.sleep(0.3)
    assert len(caller.rows("SELECT 1 AS x FROM call_events WHERE call_id = $CALL")) == 1


def test_two_transfers_of_one_call_are_two_events(world, caller):
    first = {"event": "transfer_started", "call": caller.call(), "transfer_destination": {"number": "+493023125099"}, "transfer_option": {"type": "cold_transfer"}}
    second = {**first, "transfer_option": {"type": "warm_transfer", "showTransfereeAsCaller": True}}
    caller.tell(first, second, first)
    assert wait_until(lambda: len(caller.rows("SELECT 1 AS x FROM call_events WHERE call_id = $CALL AND event = 'transfer_started'")) == 2, 10)


def test_an_event_nobody_knows_is_accepted_and_kept(world, caller):
    caller.tell({"event": "call_sang_a_song", "call": caller.call(), "verses": 3})
    assert wait_until(lambda: world.postgres.query(f"SELECT event FROM webhooks WHERE call_id = '{caller.call_id}'"), 10) == [{"event": "call_sang_a_song"}]


@pytest.mark.parametrize("body", ["{", "[]", "null", '"text"', "{}", '{"event":"call_started"}', '{"event":"call_started","call":{}}', '{"event":"call_started","call":{"call_id":7}}',
                                  '{"event":["call_started"],"call":{"call_id":"call_x"}}', '{"event":"call_started","call":{"call_id":""}}', "{" * 500, ""])
def test_what_verifies_but_makes_no_sense_is_quarantined(world, caller, body):
    answer = caller.send(body)
    assert answer.status // 100 == 2
    if body in ("", "{" * 500):
        return  # nothing, or nothing that a reader could tell from another
    found = wait_until(lambda: world.postgres.query(f"SELECT outcome FROM webhooks WHERE outcome = 'quarantined' AND body = '{body}'"), 10)
    assert found, "it is not in the quarantine"


def test_the_quarantine_can_be_listed(world, caller):
    caller.send('{"event":"call_started","call":"nobody"}')
    assert wait_until(lambda: '"quarantined"' in world.engine.must("webhooks", "list", "--outcome", "quarantined", "--json", owner=True), 10)


def test_a_call_to_an_unknown_number_is_kept_and_belongs_to_nobody(world):  # TEN-02
    before = counter(world, "ringmaster_webhooks_unrouted_total")
    for number in ("+493023129999", ..., "anonymous", ""):
        caller = Caller(world, to_number=number)
        caller.tell(caller.started(), caller.ended(), caller.analyzed(caller.agreed(*world.slots.take())))
        kept = wait_until(lambda: len(rows := caller.rows("SELECT outcome, company_id FROM webhooks WHERE call_id = $CALL")) == 3 and rows, 10)
        assert kept == [{"outcome": "unrouted", "company_id": None}] * 3
        assert caller.row() is None and caller.intent() is None
    assert counter(world, "ringmaster_webhooks_unrouted_total") > before


# -- HTTP ----------------------------------------------------------------------------------------------------------------------------------------


def test_a_transcript_of_two_megabytes_is_accepted(world, caller):  # ING-09
    caller.tell(caller.ended(transcript="User: " + "ja " * 700_000))
    assert len(caller.filed(outcome="ended")["transcript"]) > 2_000_000


def test_forty_megabytes_are_refused_by_their_length(world, caller):  # ING-09
    with RawConnection(world) as c:
        c.send(f"POST {caller.path} HTTP/1.1\r\nHost: x\r\nContent-Length: 41943040\r\n\r\n")
        assert c.read_status() == 413


def test_forty_megabytes_in_chunks_are_refused_on_the_way(world, caller):
    with RawConnection(world) as c:
        c.send(f"POST {caller.path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(40):
                c.send(b"100000\r\n" + b"a" * 0x100000 + b"\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert c.read_status() in (413, None)


def test_chunks_are_a_body_like_any_other(world, caller):
    raw = json.dumps(caller.started()).encode()
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(raw[i : i + 100]), raw[i : i + 100]) for i in range(0, len(raw), 100)) + b"0\r\n\r\n"
    with RawConnection(world) as c:
        c.send(f"POST {caller.path} HTTP/1.1\r\nHost: x\r\nX-Retell-Signature: {sign(raw, caller.key, world.clock.now_ms())}\r\nTransfer-Encoding: chunked\r\n\r\n")
        c.send(chunks)
        assert c.read_status() == 204
    caller.filed()


def test_a_client_that_asks_first_is_told_to_go_on(world, caller):
    raw = json.dumps(caller.started())
    with RawConnection(world) as c:
        c.send(f"POST {caller.path} HTTP/1.1\r\nHost: x\r\nX-Retell-Signature: {sign(raw, caller.key, world.clock.now_ms())}\r\nContent-Length: {len(raw)}\r\nExpect: 100-continue\r\n\r\n")
        assert c.read_status() == 100
        c.send(raw)
        assert c.read_status() == 204


def test_pipelined_webhooks_are_answered_in_order(world):
    callers = [Caller(world) for _ in range(5)]
    with RawConnection(world) as c:
        stream = b""
        for n, caller in enumerate(callers):
            raw = json.dumps(caller.started()).encode()
            last = "Connection: close\r\n" if n == 4 else ""
            stream += f"POST {caller.path} HTTP/1.1\r\nHost: x\r\nX-Retell-Signature: {sign(raw, caller.key, world.clock.now_ms())}\r\nContent-Length: {len(raw)}\r\n{last}\r\n".encode() + raw
        c.send(stream)
        assert c.read_all().count(b"HTTP/1.1 204") == 5
    for caller in callers:
        caller.filed()


@pytest.mark.parametrize("request_text, status", [
    ("GET /w/TOKEN/retell/webhook HTTP/1.1\r\nHost: x\r\n\r\n", 405),
    ("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 405),
    ("GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    ("POST /w/TOKEN/retell/webhook HTTP/1.1\r\nHost: x\r\n\r\n", 411),
    ("nonsense\r\n\r\n", 400),
    ("GET /livez HTTP/1.1\r\nHost: x\r\nX: " + "a" * 20_000 + "\r\n\r\n", 431),
    # What smuggling needs.
    ("POST /w/TOKEN/retell/webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("POST /w/TOKEN/retell/webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde", 400),
    ("POST /w/TOKEN/retell/webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nabcd", 400),
    ("POST /w/TOKEN/retell/webhook HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n", 400),
    ("GET /livez HTTP/1.1\nHost: x\n\n", 400),
    ("POST /w/TOKEN/retell/webhook HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n", 400),
    ("POST /w/TOKEN/retell/webhook HTTP/1.1\r\nHost: x\r\nContent-Length: +4\r\n\r\nabcd", 400),
    ("POST /w/TOKEN/retell/webhook HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", None),
])
def test_each_misshapen_request_gets_its_own_answer(world, request_text, status):
    with RawConnection(world) as c:
        c.send(request_text.replace("TOKEN", world.workspace["token"]))
        got = c.read_status()
        assert got == status if status else got in (400, 501)


def test_a_wrong_method_is_told_the_right_ones(world, caller):
    with RawConnection(world) as c:
        c.send(f"GET {caller.path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"\r\nAllow: " in c.read_all()


def test_a_slow_head_is_given_up(world):
    with RawConnection(world) as c:
        c.send("POST /w/x/retell/webhook HTTP/1.1\r\nHo")
        assert c.read_status() == 408


def test_a_slow_body_holds_up_nobody_and_is_given_up(world):  # ING-09
    slow = Caller(world)
    with RawConnection(world) as c:
        c.socket.settimeout(40)
        c.send(f"POST {slow.path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        for _ in range(20):
            quick = Caller(world)
            quick.tell(quick.started())
        assert c.read_status() == 408


def test_a_truncated_body_leaves_nothing_behind(world, caller):  # ING-09
    raw = json.dumps(caller.started())
    with RawConnection(world) as c:
        c.send(f"POST {caller.path} HTTP/1.1\r\nHost: x\r\nX-Retell-Signature: {sign(raw, caller.key, world.clock.now_ms())}\r\nContent-Length: {len(raw)}\r\n\r\n{raw[:-10]}")
        c.socket.shutdown(socket.SHUT_WR)
        assert c.read_all()[:12] in (b"", b"HTTP/1.1 400", b"HTTP/1.1 408")
    time.sleep(0.2)
    assert caller.row() is None
