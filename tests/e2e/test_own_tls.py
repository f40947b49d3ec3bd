"""The engine's own TLS (tls_certificate, tls_key): for those who have no proxy before it."""

import contextlib
import http.client
import json
import ssl

import pytest

from conftest import a_world
from retell_caller import Caller, sign
from world import wait_until


def told(world, trust, caller, body):
    """The status of one delivery on a connection of its own, as Retell's first one after a while is."""
    raw = json.dumps(body).encode()
    connection = http.client.HTTPSConnection("127.0.0.1", world.engine.port, timeout=15, context=trust)
    with contextlib.closing(connection):
        connection.request("POST", caller.path, raw, {"Content-Type": "application/json", "X-Retell-Signature": sign(raw, caller.key, world.clock.now_ms())})
        return connection.getresponse().status


@pytest.fixture(scope="module")
def secure_world():
    with a_world(engine=False) as world:
        world.engine.start(until_ready=False, tls_certificate=world.certificates.certificate, tls_key=world.certificates.key)
        yield world
        assert world.engine.stop() == 0


def test_a_webhook_right_behind_the_handshake_arrives_whole(secure_world):
    """Its records are as large as TLS allows, and come while the handshake's last step is still being worked on."""
    trust = ssl.create_default_context(cafile=str(secure_world.certificates.ca))
    first = Caller(secure_world)
    assert wait_until(lambda: told(secure_world, trust, first, first.started()) == 204, 30, every=0.1)
    for kilobytes in [20, 45, 60, 63, 120, 400] * 4:
        caller = Caller(secure_world)
        assert told(secure_world, trust, caller, caller.ended(transcript="User: " + "j" * 1000 * kilobytes)) == 204, f"{kilobytes} KB"
