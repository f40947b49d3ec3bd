"""Retell as the tests play it: bodies as Retell sends them, signed by Retell's own SDK."""

import copy
import datetime
import http.client
import itertools
import json
import secrets
import socket
import threading
import time

from retell.lib import webhook_auth

from world import parse_instant, wait_until


def sign(body, key, at_ms):
    return webhook_auth.symmetric["sign"](body if isinstance(body, str) else body.decode(), key, at_ms)


class Slots:
    """Starts that no other test takes: half hours of Lena's and Tom's days from Tuesday on, in the wall time of Berlin."""

    def __init__(self):
        self._days = itertools.count(1)
        self._lock = threading.Lock()
        self._starts = self._all()

    @staticmethod
    def _all():
        day = datetime.date(2025, 10, 20)
        while True:
            day += datetime.timedelta(days=1)
            if day.weekday() == 6:
                continue
            for half_hours in range(0, 19):
                yield day.isoformat(), f"{9 + half_hours // 2:02}:{half_hours % 2 * 30:02}"

    def take(self):
        with self._lock:
            return next(self._starts)


class Caller:
    """One call to the salon FRI, told to the engine event by event."""

    _numbers = itertools.count(1)

    def __init__(self, world, from_number=None, to_number="+493023125001", agent="agent_demo_fri_0001"):
        self.world = world
        self.call_id = "call_" + secrets.token_hex(14)
        self.from_number = f"+4917139{next(self._numbers):06}" if from_number is None else from_number
        self.to_number, self.agent = to_number, agent
        self.key = world.workspace["retell_api_keys"][0]
        self.path = f"/w/{world.workspace['token']}/retell/webhook"
        self.started_ms = world.clock.now_ms()
        self.name = "Nora Beispiel"

    # -- bodies

    def call(self, **more):
        call = {"call_id": self.call_id, "call_type": "phone_call", "agent_id": self.agent, "agent_version": 3, "agent_name": "Empfang", "direction": "inbound",
                "call_status": "ongoing", "from_number": self.from_number, "to_number": self.to_number, "start_timestamp": self.started_ms,
                "telephony_identifier": {"twilio_call_sid": "CA" + "0" * 32}, "retell_llm_dynamic_variables": {"company_name": "FRI"}}
        call.update(more)
        return {name: value for name, value in call.items() if value is not ...}

    def started(self, **more):
        return {"event": "call_started", "call": self.call(**more)}

    def ended(self, transcript="Agent: Guten Tag.\nUser: Guten Tag, ich hätte gern einen Termin.", **more):
        end = {"call_status": "ended", "end_timestamp": self.started_ms + 61_000, "duration_ms": 61_000, "disconnection_reason": "user_hangup", "transcript": transcript,
               "transcript_object": [{"role": "agent", "content": "Guten Tag.", "words": [{"word": "Guten", "start": 0.5, "end": 0.8}]}],
               "recording_url": "https://recordings.example/a.wav", "call_cost": {"combined_cost": 7.66, "total_duration_seconds": 35.3, "product_costs": []},
               "latency": {"e2e": {"p50": 912.5, "min": -1444, "num": 4}}}
        return {"event": "call_ended", "call": self.call(**{**end, **more})}

    def analyzed(self, analysis=None, **more):
        body = self.ended(**more)
        body["event"] = "call_analyzed"
        body["call"]["call_analysis"] = {"call_summary": "Termin vereinbart.", "in_voicemail": False, "user_sentiment": "Positive", "call_successful": True,
                                         "custom_analysis_data": analysis or {}}
        return body

    def agreed(self, date, at, service="Herrenhaarschnitt", **more):
        """What custom analysis says of an agreed appointment."""
        facts = {"booking_confirmed": True, "datum": date, "uhrzeit": at, "name": self.name, "dienstleistung": service, **more}
        return {name: value for name, value in facts.items() if value is not ...}

    # -- telling

    def send(self, body, key=None, at_ms=None, path=None, headers=None, signature=None):
        """One delivery on a connection of its own; the answer with .status, .body and .headers."""
        raw = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)).encode()
        if signature is None:
            signature = sign(raw, self.key if key is None else key, self.world.clock.now_ms() if at_ms is None else at_ms)
        connection = http.client.HTTPConnection("127.0.0.1", self.world.engine.port, timeout=30)
        try:
            sent = {"Content-Type": "application/json", **({"X-Retell-Signature": signature} if signature else {}), **(headers or {})}
            connection.request("POST", path or self.path, raw, sent)
            answer = connection.getresponse()
            answer.body = answer.read()
            return answer
        finally:
            connection.close()

    def tell(self, *bodies):
        """Delivers each and insists on the 2xx."""
        for body in bodies:
            answer = self.send(body)
            assert answer.status == 204, f"{body['event']}: {answer.status} {answer.body!r}"
            assert answer.body == b""

    def play(self, date=None, at=None, service="Herrenhaarschnitt", **more):
        """A whole call; with a date, one in which an appointment was agreed."""
        analysis = self.agreed(date, at, service, **more) if date else None
        self.tell(self.started(), self.ended(), self.analyzed(analysis))
        return self

    # -- what became of it

    def rows(self, sql):
        return self.world.postgres.query(sql.replace("$CALL", f"'{self.call_id}'"))

    def row(self):
        rows = self.rows("SELECT c.*, k.key AS company, m.phone, m.name AS customer_name, m.anonymous_call_id FROM calls c JOIN companies k ON k.id = c.company_id "
                         "JOIN customers m ON m.company_id = c.company_id AND m.id = c.customer_id WHERE c.call_id = $CALL")
        assert len(rows) <= 1
        return rows[0] if rows else None

    def filed(self, seconds=15, **expected):
        """The row of the call, once it is as expected."""

        def look():
            row = self.row()
            return row if row and all(row[name] == value for name, value in expected.items()) else None

        row = wait_until(look, seconds, every=0.05)
        assert row, f"the call is not filed with {expected} after {seconds} s: {self.row()}"
        return row

    def intent(self):
        rows = self.rows("SELECT i.* FROM booking_intents i JOIN calls c ON c.company_id = i.company_id AND c.id = i.call WHERE c.call_id = $CALL")
        assert len(rows) <= 1, f"{len(rows)} intents of one call"
        return rows[0] if rows else None

    def intent_in(self, *states, seconds=30):
        def look():
            intent = self.intent()
            return intent if intent and intent["state"] in states else None

        intent = wait_until(look, seconds, every=0.05)
        assert intent, f"no intent in {states} after {seconds} s: {self.intent()}"
        return intent

    def appointments(self):
        return self.rows("SELECT a.* FROM appointments a JOIN calls c ON c.company_id = a.company_id AND c.id = a.call WHERE c.call_id = $CALL")

    def jobs(self):
        return self.rows("SELECT j.* FROM jobs j JOIN calls c ON c.company_id = j.company_id AND c.id = j.call WHERE c.call_id = $CALL")

    def live_bookings(self):
        reference = (self.intent() or {}).get("reference")
        return [b for b in self.world.simulator.live_bookings() if reference and b["engineRef"] == reference]

    def booked(self, seconds=30):
        """Waits until it is booked; insists that both sides say the same, once."""
        intent = self.intent_in("booked", seconds=seconds)
        appointments, live = self.appointments(), self.live_bookings()
        assert len(appointments) == 1, f"{len(appointments)} appointments of one intent"
        assert len(live) == 1, f"{len(live)} live bookings at Cal.com of one intent"
        appointment = appointments[0]
        assert appointment["calcom_booking_uid"] == live[0]["uid"]
        assert parse_instant(appointment["starts_at"]) == parse_instant(live[0]["start"]) == parse_instant(intent["starts_at"])
        assert appointment["status"] == live[0]["status"] == "accepted"
        return appointment


def both_sides_agree(world):
    """Over a whole world: one live booking at Cal.com for each booked intent, none for a refused one, and none that nobody intended."""
    live = {}
    for booking in world.simulator.live_bookings():
        live.setdefault(booking["engineRef"], []).append(booking)
    doubled = {reference: len(bookings) for reference, bookings in live.items() if reference and len(bookings) > 1}
    assert not doubled, f"booked more than once: {doubled}"
    intents = {i["reference"]: i for i in world.postgres.query(
        "SELECT i.reference, i.state, i.id, a.calcom_booking_uid AS uid, a.status FROM booking_intents i "
        "LEFT JOIN appointments a ON a.company_id = i.company_id AND a.intent_id = i.id WHERE i.reference IS NOT NULL")}
    for reference, intent in intents.items():
        bookings = live.pop(reference, [])
        if intent["state"] == "booked":
            assert [b["uid"] for b in bookings] == [intent["uid"]], f"intent {intent['id']} is booked here as {intent['uid']}, there: {bookings}"
        elif intent["state"] == "refused":
            assert not bookings, f"intent {intent['id']} is refused here, booked there"
    strangers = {reference: bookings for reference, bookings in live.items() if reference}
    assert not strangers, f"bookings of intents that are not here: {strangers}"
    return intents


def all_settled(world, seconds=60):
    """Waits until no intent is on its way any more."""
    left = "SELECT id, state, step, attempts, last_error, next_attempt_at FROM booking_intents WHERE state IN ('written', 'sending', 'unknown')"
    wait_until(lambda: not world.postgres.query(left), seconds, every=0.2)
    still = world.postgres.query(left)
    assert not still, f"still on their way after {seconds} s: {still}"


class RawConnection:
    """Bytes as they are, for what no client would send."""

    def __init__(self, world):
        self.socket = socket.create_connection(("127.0.0.1", world.engine.port), timeout=30)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def read_all(self):
        """Until the other side closes."""
        received = b""
        try:
            while piece := self.socket.recv(65536):
                received += piece
        except ConnectionResetError:
            pass
        return received

    def read_status(self):
        received = b""
        while b"\r\n\r\n" not in received:
            piece = self.socket.recv(65536)
            if not piece:
                break
            received += piece
        return int(received.split(b" ", 2)[1]) if received else None


class Load:
    """Calls that come in all the time, told by several threads; in one of `books_every` an appointment is agreed. A delivery that gets no 2xx is told again,
    as Retell does; what has been acknowledged is remembered, to be looked for afterwards."""

    def __init__(self, world, threads=4, calls_per_second=20, books_every=1):
        self.world, self.threads, self.pause, self.books_every = world, threads, threads / calls_per_second, books_every
        self.acknowledged, self.callers, self.refusals, self.agreed = [], [], 0, set()
        self._stop, self._lock, self._running = threading.Event(), threading.Lock(), []

    def __enter__(self):
        self._running = [threading.Thread(target=self._ring) for _ in range(self.threads)]
        for thread in self._running:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._running:
            thread.join()

    def _ring(self):
        while not self._stop.is_set():
            begin = time.monotonic()
            caller = Caller(self.world)
            with self._lock:
                self.callers.append(caller)
                books = len(self.callers) % self.books_every == 0
                if books:
                    self.agreed.add(caller.call_id)
            analysis = caller.agreed(*self.world.slots.take()) if books else None
            for body in (caller.started(), caller.ended(), caller.analyzed(analysis)):
                self._deliver(caller, body)
            self._stop.wait(max(0, self.pause - (time.monotonic() - begin)))

    def _deliver(self, caller, body):
        """Until it is acknowledged; sometimes once more, as if the acknowledgement had been lost."""
        for attempt in range(600):
            try:
                if caller.send(copy.deepcopy(body)).status == 204:
                    with self._lock:
                        self.acknowledged.append((caller.call_id, body["event"]))
                    return
            except (OSError, http.client.HTTPException):
                pass
            with self._lock:
                self.refusals += 1
            time.sleep(0.05)
        raise AssertionError("no 2xx within half a minute")

    def check_nothing_is_lost(self, seconds=60):
        """Every acknowledged event is in PostgreSQL, once."""
        wanted = set(self.acknowledged)

        def missing():
            rows = self.world.postgres.query("SELECT call_id, event, count(*) AS n FROM call_events GROUP BY 1, 2")
            doubled = [r for r in rows if r["n"] != 1]
            assert not doubled, f"filed more than once: {doubled[:5]}"
            return wanted - {(r["call_id"], r["event"]) for r in rows}

        wait_until(lambda: not missing(), seconds, every=0.5)
        lost = missing()
        assert not lost, f"{len(lost)} of {len(wanted)} acknowledged events are lost, such as {sorted(lost)[:3]}"
