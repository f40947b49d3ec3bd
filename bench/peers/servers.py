"""The servers that are measured: each verifies Retell's signature, makes the webhook durable and answers 2xx; those marked as ceilings do less.

A Peer is started anew for every cell of the matrix, with nothing stored, and stopped after it. It is pinned to one core with all its processes (they inherit it),
and says afterwards how many webhooks it has kept. The engine comes twice: with a PostgreSQL that says yes at once (bench/ingest/instant_db.c), which is the
same duty as the others' and no more, and whole, with its filing into a real PostgreSQL on the same core."""

import contextlib
import hashlib
import hmac
import os
import pathlib
import re
import shutil
import signal
import socket
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
HERE = ROOT / "bench" / "peers"
MADE = ROOT / ".tools" / "peers"
sys.path.insert(0, str(ROOT / "deploy"))
import world as worlds  # noqa: E402

SERVER_CPU, CLIENT_CPU = 0, 1
SLOW_SYNC_US = 5000
PHP_WORKERS = 64 # they wait for syncs more than they work
KEY = "key_of_the_peers"


# -- where and how everything is started ---------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def server_side(slow):
    """What is started in here is pinned to the server's core; slow: and every sync takes 5 ms longer for it."""
    before, environment = os.sched_getaffinity(0), dict(os.environ)
    os.sched_setaffinity(0, {SERVER_CPU})
    if slow:
        os.environ.update(LD_PRELOAD=str(MADE / "slow_sync" / "slow_sync.so"), PEERS_SYNC_EXTRA_US=str(SLOW_SYNC_US), RINGMASTER_BENCH_SYNC_EXTRA_US=str(SLOW_SYNC_US))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
        os.environ.clear()
        os.environ.update(environment)


def core_us(cpu):
    """How long the core has been busy since boot, with whatever; what the host took away counts, too."""
    for line in pathlib.Path("/proc/stat").read_text().splitlines():
        name, *ticks = line.split()
        if name == f"cpu{cpu}":
            user, nice, system, idle, iowait, irq, softirq, steal = map(int, ticks[:8])
            return (user + nice + system + irq + softirq + steal) * 1_000_000 / os.sysconf("SC_CLK_TCK")
    raise worlds.Trouble(f"This machine has no core {cpu}: two are needed, one for servers and one for the client.")


def signature(key, body, at_ms=None):
    at_ms = int(time.time() * 1000) if at_ms is None else at_ms
    return f"v={at_ms},d={hmac.new(key.encode(), body + str(at_ms).encode(), hashlib.sha256).hexdigest()}"


def status_of(url, header, body):
    return worlds.http("POST", url, body, {"X-Retell-Signature": header} if header else {}).status


def forgeries(key):
    """What must not be let in: (what is wrong with it, header, body)."""
    body = b'{"event":"call_ended","call":{"call_id":"call_forged"}}'
    good = signature(key, body)
    return [("another key", signature("key_of_somebody", body), body), ("another body", good, body.replace(b"forged", b"f0rged")), ("no signature", None, body),
            ("six minutes old", signature(key, body, int(time.time() * 1000) - 360_000), body), ("a digest cut short", good[:-2], body)]


class Peer:
    """name; verifies: whether it looks at signatures; keeps: whether what it has stored can be counted; does_later: whether something of it is left to do after the answer."""

    verifies, keeps, syncs, does_later = True, True, True, False
    key = KEY
    warm_up, warm_up_s = ["--closed", "32"], 1.0 # until what compiles has compiled, and memory is resident

    def __init__(self, bench):
        self.bench, self.children, self.url = bench, [], None
        self.directory = bench.directory / re.sub(r"\W+", "-", self.name)

    def child(self, name, *arguments, stop=((signal.SIGTERM, 20), (signal.SIGKILL, 5)), **environment):
        child = worlds.Child(name, arguments, self.directory / f"{name}.out", environment=environment, user=self.bench.user, stop=stop)
        self.children.append(child)
        return child

    def fresh_directory(self):
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir()
        if self.bench.user:
            os.chown(self.directory, self.bench.user.pw_uid, self.bench.user.pw_gid)

    def from_template(self, source, **words):
        """A configuration with its @WORDS@ filled in."""
        text = source.read_text()
        for word, value in {"DIRECTORY": self.directory, "WORKERS": PHP_WORKERS, **words}.items():
            text = text.replace(f"@{word}@", str(value))
        path = self.directory / source.name
        path.write_text(text)
        return path

    def start(self, slow):
        self.fresh_directory()
        with server_side(slow and self.syncs):
            self.launch(slow and self.syncs)
        self.wait_until_it_answers()

    def wait_until_it_answers(self):
        def answers():
            with contextlib.suppress(OSError):
                return status_of(self.url, "v=1,d=0", b"{}") not in (502, 503)
            return False

        if not (worlds.wait_until(lambda: answers() or self.has_failed(), 30) and not self.has_failed()):
            words = "\n".join(f"  {c.name}:\n{c.last_words()}" for c in self.children)
            raise worlds.Trouble(f"{self.name} does not come up. Last words:\n{words}")

    def has_failed(self):
        return any(not c.is_running() for c in self.children)

    def pids(self):
        return [c.pid for c in self.children]

    def settle(self, expected):
        """Waits until what it has promised is where it is counted; for those that do it in the request, at once."""

    def stored(self):
        return None

    def stop(self):
        for child in reversed(self.children):
            child.stop()
        self.children = []
        shutil.rmtree(self.directory, ignore_errors=True)


# -- Redis ---------------------------------------------------------------------------------------------------------------------------------------


class OnRedis(Peer):
    """With a Redis of its own that syncs before it answers; the webhooks are a list in it."""

    def launch_redis(self):
        self.socket = self.directory / "redis.sock"
        self.child("redis", "redis-server", self.from_template(HERE / "redis.conf"))
        if not worlds.wait_until(lambda: self.ask("PING") == "PONG" or self.has_failed(), 20):
            raise worlds.Trouble(f"Redis does not come up. Last words:\n{self.children[-1].last_words()}")

    def ask(self, *words):
        """One command, and its answer if that is a line."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as s:
            s.connect(str(self.socket))
            s.sendall((f"*{len(words)}\r\n" + "".join(f"${len(w)}\r\n{w}\r\n" for w in words)).encode())
            return s.makefile().readline()[1:].strip()
        return None

    def stored(self):
        return int(self.ask("LLEN", self.list_name))


class Fastify(OnRedis):
    name, list_name = "Fastify + BullMQ + Redis", "bull:webhooks:wait"

    def launch(self, slow):
        self.launch_redis()
        port = worlds.free_port()
        self.url = f"http://127.0.0.1:{port}/webhook"
        self.child("node", "node", MADE / "fastify" / "server.js", PORT=str(port), RETELL_API_KEY=self.key, REDIS_SOCKET=str(self.socket), NODE_ENV="production")


class FastifyAndWorker(Fastify):
    """The queue's other end, too: every job is taken out and finished. As the engine with the instant database does, which hands each webhook to its call and files it."""

    name = "Fastify + BullMQ + Redis, and its worker"
    does_later, settle_s = True, 180

    def launch(self, slow):
        super().launch(slow)
        self.child("worker", "node", MADE / "fastify" / "worker.js", REDIS_SOCKET=str(self.socket), NODE_ENV="production")

    def stored(self):
        return int(self.ask("ZCARD", "bull:webhooks:completed"))

    def settle(self, expected):
        if not worlds.wait_until(lambda: self.stored() >= expected, self.settle_s, every=0.2):
            raise worlds.Trouble(f"{self.name} has finished {self.stored():,} of {expected:,} acknowledged webhooks in {self.settle_s} s")


class Php(OnRedis):
    name, list_name = "nginx + php-fpm + Redis", "webhooks"

    def launch(self, slow):
        self.launch_redis()
        port = worlds.free_port()
        self.url = f"http://127.0.0.1:{port}/webhook"
        fpm = max(pathlib.Path("/usr/sbin").glob("php-fpm*"))
        self.child("php-fpm", fpm, "--nodaemonize", "--fpm-config", self.from_template(MADE / "php" / "php-fpm.conf"), RETELL_API_KEY=self.key, REDIS_SOCKET=str(self.socket))
        if not worlds.wait_until((self.directory / "php.sock").exists, 20):
            raise worlds.Trouble(f"php-fpm does not come up. Last words:\n{self.children[-1].last_words()}")
        self.child("nginx", "/usr/sbin/nginx", "-c", self.from_template(HERE / "nginx" / "php.conf", PORT=port, PROGRAMS=MADE / "php"))


# -- PostgreSQL ----------------------------------------------------------------------------------------------------------------------------------


class Go(Peer):
    """net/http with a pool of connections. Its cluster lives as long as the bench, so that its write-ahead log has its segments, as one in service has."""

    name = "Go + PostgreSQL"
    connections = 32

    def __init__(self, bench):
        super().__init__(bench)
        self.postgres = None

    def launch(self, slow):
        if self.postgres:
            self.postgres.start()
        else:
            self.postgres = worlds.Postgres(self.bench.directory / "postgres-of-go")
            self.postgres.create()
            self.postgres.execute((MADE / "go" / "schema.sql").read_text())
        self.children.append(self.postgres.child)
        self.postgres.execute("TRUNCATE webhooks")
        port = worlds.free_port()
        self.url = f"http://127.0.0.1:{port}/webhook"
        self.child("go", MADE / "go" / "webhook", PORT=str(port), RETELL_API_KEY=self.key, DATABASE_URL=f"{self.postgres.url(worlds.OWNER)}?pool_max_conns={self.connections}")

    def stored(self):
        return self.postgres.query("SELECT count(*) AS rows FROM webhooks")[0]["rows"]


# -- ceilings ------------------------------------------------------------------------------------------------------------------------------------


class NginxReturn(Peer):
    name = "nginx, return 200"
    verifies = keeps = syncs = False
    warm_up_s = 0.4

    def launch(self, slow):
        port = worlds.free_port()
        self.url = f"http://127.0.0.1:{port}/webhook"
        self.child("nginx", "/usr/sbin/nginx", "-c", self.from_template(HERE / "nginx" / "return.conf", PORT=port))


class Bare(Peer):
    """bench/bare_server: the ring alone, its journal without verifying anything, or the whole duty and nothing else."""

    name, arguments = "bare ring server", []
    verifies = keeps = syncs = False
    warm_up_s = 0.4

    def launch(self, slow):
        more = ["--sync-extra-us", SLOW_SYNC_US] if slow else []
        self.child("bare", self.bench.prefix / "bench" / "bare_server", *(str(a).replace("@DIRECTORY@", str(self.directory)) for a in self.arguments), *more)
        said = worlds.wait_until(lambda: self.said() or self.has_failed(), 20)
        if self.has_failed():
            raise worlds.Trouble(f"bare_server does not come up. Last words:\n{self.children[-1].last_words()}")
        self.url = f"http://127.0.0.1:{said[0]}/webhook"

    def said(self):
        """Its port, then how much its journal holds as often as it was asked."""
        return self.children[-1].log.read_text().split()


class BareJournal(Bare):
    name, arguments, syncs = "bare ring server, journal", ["--journal", "@DIRECTORY@/journal"], True


class BareDuty(Bare):
    """Its journal goes round and is never read: what it holds is the server's own count of what became durable."""

    name, arguments = "bare ring server, same duty", ["--verify", KEY, "--journal", "@DIRECTORY@/journal"]
    verifies = keeps = syncs = True

    def stored(self):
        before = len(self.said())
        self.children[-1].process.send_signal(signal.SIGUSR1)
        worlds.wait_until(lambda: len(self.said()) > before, 5)
        return int(self.said()[before])


# -- the engine ----------------------------------------------------------------------------------------------------------------------------------


class EngineHere(worlds.Engine):
    """ringmaster serve as another program: the bench's builds of it can be slowed, or do without PostgreSQL."""

    program = None

    def start(self, **more):
        real = self.world.program
        self.world.program = lambda name: self.program if name == "ringmaster" else real(name)
        try:
            super().start(**more)
        finally:
            self.world.program = real


class Engines:
    """One world for both engines, made when the first of them starts. Its PostgreSQL runs only while one of them needs it."""

    # Every cell tells of calls that only ended: they wait for their analysis until the cell is over.
    settings = {"shards": 1, "drain_s": 1, "calls": 2_000_000}

    def __init__(self, bench):
        self.bench, self.world, self.tenants = bench, None, bench.directory / "tenants.json"

    def ready(self):
        if self.world:
            self.world.postgres.start()
            return self.world
        w = worlds.World(self.bench.directory / "engines", ROOT / "deploy" / "worlds" / "demo.json", self.bench.prefix)
        w.up(engine=False)
        self.world = w
        self.tenants.write_text(w.postgres.query("SELECT tenant_snapshot() AS text")[0]["text"])
        return w

    def close(self):
        if self.world:
            self.world.down()


class Ringmaster(Peer):
    """The engine as it serves: what is acknowledged is filed into PostgreSQL behind it, on the same core."""

    name, program, files = "ringmaster", "ringmaster-slow", True
    warm_up = ["--rate", "2000", "--calls", "1", "--connections", "32"] # what it acknowledges faster than it files has to be waited for
    does_later, settle_s = True, 180

    def launch(self, slow):
        self.world = w = self.bench.engines.ready()
        shutil.rmtree(w.journal, ignore_errors=True)
        w.journal.mkdir()
        w.engine = EngineHere(w, Engines.settings)
        w.engine.program = self.bench.prefix / "bench" / self.program
        os.environ["RINGMASTER_BENCH_TENANTS"] = str(self.bench.engines.tenants)
        w.engine.start()
        self.children = [w.engine.child]
        if self.files:
            self.children.append(w.postgres.child)
        else:
            w.postgres.stop()
        self.key = w.workspace["retell_api_keys"][0]
        self.url = f"{w.engine.url}/w/{w.workspace['token']}/retell/webhook"
        self.rows_before = self.rows() if self.files else 0

    def rows(self):
        return self.world.postgres.query("SELECT count(*) AS rows FROM webhooks", role=worlds.ADMIN)[0]["rows"]

    def filed(self):
        return int(sum(value for name, value in self.world.engine.metrics().items() if name.startswith("ringmaster_webhooks_filed_total{")))

    def settle(self, expected):
        if not worlds.wait_until(lambda: self.filed() >= expected, self.settle_s, every=0.2):
            raise worlds.Trouble(f"{self.name} has filed {self.filed():,} of {expected:,} acknowledged webhooks in {self.settle_s} s")

    def stored(self):
        return self.rows() - self.rows_before if self.files else self.filed()

    def stop(self):
        for child in self.children:
            child.stop()
        self.children = []
        shutil.rmtree(self.directory, ignore_errors=True)


class RingmasterInstant(Ringmaster):
    name, program, files = "ringmaster, instant database", "ringmaster-instant", False
    does_later = False


PEERS = {"fastify": Fastify, "fastify-worker": FastifyAndWorker, "go": Go, "php": Php, "nginx": NginxReturn, "bare": Bare, "bare-journal": BareJournal, "bare-duty": BareDuty,
         "instant": RingmasterInstant, "ringmaster": Ringmaster}
