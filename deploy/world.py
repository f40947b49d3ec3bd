"""A whole world on one machine: PostgreSQL, the simulated Cal.com, and the engine between them.

./run shows one to people, tests/e2e play in many. A World owns its folder and everything it starts; whoever makes one ends it with down().
Every process is a child in a session of its own, is known by pid and start time, and is stopped by that pid alone. Secrets travel by
environment and by files of mode 0600, never on a command line, where every user of the machine could read them.

Only the standard library, so that a fresh machine needs nothing to run it. Every error is a Trouble: a sentence for people.
"""

import contextlib
import datetime
import hashlib
import json
import os
import pathlib
import pwd
import secrets
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import time
import urllib.error
import urllib.request

UTC = datetime.timezone.utc
OWNER, RUNTIME, ADMIN, DATABASE = "ringmaster_owner", "ringmaster_runtime", "ringmaster_admin", "ringmaster"


class Trouble(Exception):
    """What went wrong and what to do about it."""


# -- time ----------------------------------------------------------------------------------------------------------------------------------------


class Clock:
    """The wall clock of a world: the machine's own, or one that started at `at` and runs on. A process that starts later starts at its now."""

    def __init__(self, at=None):
        self.ahead = datetime.timedelta(0)
        self.is_set = at is not None
        if self.is_set:
            self.ahead = parse_instant(at) - datetime.datetime.now(UTC)

    def now(self):
        return datetime.datetime.now(UTC) + self.ahead

    def now_ms(self):
        return int(self.now().timestamp() * 1000)

    def text(self):
        return self.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_instant(text):
    try:
        instant = datetime.datetime.fromisoformat(text.replace("Z", "+00:00").replace("z", "+00:00"))
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise Trouble(f"'{text}' is no instant: write it as in 2025-10-20T10:00:00+02:00, with its zone.")
    return instant.astimezone(UTC)


# -- processes -----------------------------------------------------------------------------------------------------------------------------------


def started_at(pid):
    """The kernel's own start time of a process, in ticks since boot; None when there is none. With the pid it names one process for ever."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def is_alive(pid, start):
    return start is not None and started_at(pid) == start


def stop_process(pid, start, signals):
    """Sends each (signal, seconds to wait) in turn until the process is gone. False: it survived them all."""
    for number, patience in signals:
        if not is_alive(pid, start):
            return True
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        wait_until(lambda: not is_alive(pid, start), patience)
    return not is_alive(pid, start)


def wait_until(condition, seconds, every=0.02):
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result or time.monotonic() >= deadline:
            return result
        time.sleep(every)


class Child:
    """One process of a world, with its log beside it."""

    def __init__(self, name, arguments, log, *, environment=None, user=None, stop=((signal.SIGTERM, 30), (signal.SIGKILL, 5))):
        self.name, self.log, self.stop_signals = name, pathlib.Path(log), stop
        identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
        with open(self.log, "ab") as output:
            try:
                self.process = subprocess.Popen([str(a) for a in arguments], stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/",
                                                env={**os.environ, **(environment or {})}, start_new_session=True, **identity)
            except OSError as error:
                raise Trouble(f"{name} could not be started: {error.strerror} ({arguments[0]}).") from None
        self.pid = self.process.pid
        self.start = started_at(self.pid)

    def is_running(self):
        return self.process.poll() is None

    def kill(self):
        """As in a crash."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        """Politely, then not. The exit status; None: it had to be killed."""
        for number, patience in self.stop_signals:
            if self.process.poll() is not None:
                break
            self.process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(patience)
        return None if self.process.returncode == -signal.SIGKILL else self.process.returncode

    def last_words(self, lines=12):
        text = self.log.read_text(errors="replace").strip().splitlines()
        return "\n".join("    " + line for line in text[-lines:])

    def wait_ready(self, ready_file, seconds):
        """What the process wrote into its ready file."""

        def read():
            with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
                return json.loads(pathlib.Path(ready_file).read_text())
            return None

        ready = wait_until(lambda: read() or not self.is_running(), seconds)
        if isinstance(ready, dict):
            return ready
        how = f"ended with status {self.process.returncode}" if not self.is_running() else f"was not ready after {seconds} seconds"
        raise Trouble(f"{self.name} {how}. Its last words:\n{self.last_words()}")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


# -- PostgreSQL ----------------------------------------------------------------------------------------------------------------------------------


def postgres_programs():
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: int(p.parts[-3]))
    if not found:
        raise Trouble("PostgreSQL is not installed (Debian's package postgresql).")
    return found[-1].parent


def unprivileged_user():
    """Whom root becomes for PostgreSQL, which refuses root. None: we are nobody special already."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise Trouble("PostgreSQL refuses to run as root, and this machine has neither a user postgres nor a user nobody.")


class Postgres:
    """A private cluster on loopback, made anew each time, fsync on: a test that kills it must find what was committed."""

    def __init__(self, directory, say=lambda text: None, on_start=lambda child: None):
        self.on_start = on_start
        self.programs, self.user = postgres_programs(), unprivileged_user()
        self.directory = self._enterable(pathlib.Path(directory), say)
        self.log = self.directory / "log"
        self.passwords = {role: secrets.token_urlsafe(24) for role in (OWNER, RUNTIME, ADMIN)}
        self.port, self.child = None, None

    def _enterable(self, wanted, say):
        """`wanted`, or a folder in /var/tmp where the unprivileged user may not go there (a checkout under /root)."""
        shutil.rmtree(wanted, ignore_errors=True)
        wanted.mkdir(parents=True)
        if self.user is None:
            return wanted
        os.chown(wanted, self.user.pw_uid, self.user.pw_gid)
        may = subprocess.run(["test", "-x", wanted], user=self.user.pw_uid, group=self.user.pw_gid, extra_groups=[]).returncode == 0
        if may:
            return wanted
        name = hashlib.sha256(str(wanted).encode()).hexdigest()[:12]
        other = pathlib.Path(f"/var/tmp/ringmaster-{os.geteuid()}-{name}")
        shutil.rmtree(other, ignore_errors=True)
        other.mkdir(mode=0o700)
        os.chown(other, self.user.pw_uid, self.user.pw_gid)
        say(f"PostgreSQL may not run as root, and {self.user.pw_name} may not enter {wanted}: its data is in {other}.")
        return other

    def _run(self, program, *arguments):
        identity = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []} if self.user else {}
        done = subprocess.run([self.programs / program, *arguments], capture_output=True, text=True, cwd="/", **identity)
        if done.returncode == 0:
            return
        if "No space left" in done.stderr:
            raise Trouble(f"The disk is full: PostgreSQL needs about 100 MiB in {self.directory}.")
        raise Trouble(f"{program} failed:\n{done.stderr.strip()}")

    def create(self):
        password_file = self.directory / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(self.passwords[ADMIN])
        if self.user:
            os.chown(password_file, self.user.pw_uid, self.user.pw_gid)
        self._run("initdb", "--pgdata", self.directory / "data", "--username", ADMIN, "--auth", "scram-sha-256", "--pwfile", password_file,
                  "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync")
        password_file.unlink()
        self.start()
        self._psql(ADMIN, "postgres", f"""
            CREATE ROLE {OWNER} LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD '{self.passwords[OWNER]}';
            CREATE ROLE {RUNTIME} LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD '{self.passwords[RUNTIME]}';
            CREATE DATABASE {DATABASE} OWNER {OWNER};""")

    def start(self):
        for attempt in range(5):
            port = self.port or free_port()
            self.child = Child("PostgreSQL", [self.programs / "postgres", "-D", self.directory / "data", "-c", "listen_addresses=127.0.0.1", "-c", f"port={port}",
                                              "-c", "unix_socket_directories=", "-c", "shared_buffers=128MB", "-c", "max_connections=100"],
                               self.log, user=self.user, stop=((signal.SIGINT, 20), (signal.SIGQUIT, 10), (signal.SIGKILL, 5)))
            self.on_start(self.child)
            if wait_until(lambda: self._answers(port) or not self.child.is_running(), 60) and self.child.is_running():
                self.port = port
                return
            words = self.child.last_words()
            self.child.stop()
            if "could not bind" not in words:
                break
        raise Trouble(f"PostgreSQL does not start. Its last words ({self.log}):\n{words}")

    def _answers(self, port):
        return subprocess.run([self.programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]).returncode == 0

    def stop(self):
        if self.child:
            self.child.stop()

    def crash(self):
        """Immediate: no checkpoint, no goodbye; the next start recovers."""
        self.child.process.send_signal(signal.SIGQUIT)
        self.child.process.wait(30)

    def url(self, role, database=DATABASE):
        return f"postgresql://{role}:{self.passwords[role]}@127.0.0.1:{self.port}/{database}"

    def _psql(self, role, database, sql):
        done = subprocess.run([self.programs / "psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1",
                               "-h", "127.0.0.1", "-p", str(self.port), "-U", role, "-d", database],
                              input=sql, capture_output=True, text=True, env={**os.environ, "PGPASSWORD": self.passwords[role]})
        if done.returncode != 0:
            raise Trouble(f"PostgreSQL refused a statement: {done.stderr.strip()}")
        return done.stdout

    def execute(self, sql, role=OWNER):
        return self._psql(role, DATABASE, sql)

    def query(self, sql, role=OWNER):
        """Rows as dicts."""
        return json.loads(self._psql(role, DATABASE, f"SELECT coalesce(json_agg(to_json(q)), '[]') FROM ({sql}) q;"))


# -- certificates --------------------------------------------------------------------------------------------------------------------------------


class Certificates:
    """A CA of this world, and a certificate of it for 127.0.0.1 and localhost."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.ca, self.certificate, self.key = (self.directory / n for n in ("ca.pem", "server.pem", "server.key"))

    def create(self):
        self.directory.mkdir(parents=True, exist_ok=True)
        os.chmod(self.directory, 0o755)
        ca_key, request, extensions = (self.directory / n for n in ("ca.key", "server.request", "server.extensions"))
        for key in (ca_key, self.key):
            key.touch(mode=0o600)
        extensions.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth\nkeyUsage=digitalSignature\nbasicConstraints=CA:FALSE\n")
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        self._openssl("req", "-x509", *curve, "-keyout", ca_key, "-out", self.ca, "-days", "3650", "-subj", "/CN=Ringmaster demo CA",
                      "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        self._openssl("req", *curve, "-keyout", self.key, "-out", request, "-subj", "/CN=localhost")
        self._openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", ca_key, "-set_serial", str(secrets.randbits(63)), "-days", "3650",
                      "-extfile", extensions, "-out", self.certificate)
        for leftover in (ca_key, request, extensions):
            leftover.unlink()

    def _openssl(self, *arguments):
        try:
            done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True)
        except FileNotFoundError:
            raise Trouble("openssl is not installed (Debian's package openssl).") from None
        if done.returncode != 0:
            raise Trouble(f"openssl {arguments[0]} failed:\n{done.stderr.strip()}")


# -- the simulator -------------------------------------------------------------------------------------------------------------------------------


class HttpAnswer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)


def http(method, url, body=None, headers=None, seconds=10, ca=None):
    """One request; an error status is an answer, too."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    context = ssl.create_default_context(cafile=str(ca)) if ca else None
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **(headers or {})}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=seconds, context=context) as answer:
            return HttpAnswer(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as error:
        return HttpAnswer(error.code, error.headers, error.read())


class Simulator:
    """The simulated Cal.com: one process, two doors."""

    def __init__(self, world):
        self.world, self.child, self.calcom_port, self.control_port = world, None, None, None

    def start(self):
        w = self.world
        ready = w.directory / "ringsim.ready"
        ready.unlink(missing_ok=True)
        arguments = [w.program("ringsim"), "serve", "--world", w.world_file, "--tls-cert", w.certificates.certificate, "--tls-key", w.certificates.key,
                     "--calcom-port", str(self.calcom_port or 0), "--control-port", str(self.control_port or 0), "--ready-file", ready, "--seed", str(w.seed)]
        if w.clock.is_set:
            arguments += ["--at", w.clock.text()]
        self.child = w.started(Child("ringsim", arguments, w.directory / "ringsim.log"))
        ports = self.child.wait_ready(ready, 30)
        self.calcom_port, self.control_port = ports["calcom_port"], ports["control_port"]

    def stop(self):
        if self.child:
            self.child.stop()

    @property
    def url(self):
        return f"https://127.0.0.1:{self.calcom_port}/v2"

    @property
    def control_url(self):
        return f"http://127.0.0.1:{self.control_port}"

    def control(self, method, path, body=None):
        answer = http(method, f"{self.control_url}/control/{path}", body)
        if answer.status >= 300:
            raise Trouble(f"ringsim's control port answered {answer.status} to {method} {path}: {answer.body.decode(errors='replace')}")
        return answer.json() if answer.body else None

    def bookings(self):
        """As Cal.com shows them, each with the reference that the engine gave it."""
        found = []
        while True:
            page = self.control("GET", f"bookings?skip={len(found)}&take=200")
            found += [{**entry["booking"], "engineRef": entry["engineRef"]} for entry in page["bookings"]]
            if not page["bookings"] or len(found) >= page["total"]:
                return found

    def live_bookings(self):
        return [b for b in self.bookings() if b["status"] in ("accepted", "pending")]

    def requests(self, endpoint=None):
        """What was asked of Cal.com, and what it said, oldest first."""
        found = []
        while page := self.control("GET", f"requests?after={found[-1]['number'] if found else 0}&take=1000")["requests"]:
            found += page
        return [r for r in found if endpoint in (None, r["endpoint"])]

    def fault(self, fault, **rule):
        """One rule of src/sim/faults.h: endpoint, nth, count, delay_ms, status."""
        self.control("POST", "faults", {"fault": fault, **rule})

    def seeded_faults(self, seed, rate, faults, **rule):
        self.control("POST", "faults", {"seed": seed, "rate": rate, "faults": faults, **rule})

    def reset(self):
        self.control("POST", "reset")


# -- the engine ----------------------------------------------------------------------------------------------------------------------------------


class Engine:
    """ringmaster serve, and its commands, with the settings of one world."""

    def __init__(self, world, settings):
        self.world, self.settings, self.child, self.port = world, settings, None, None

    def environment(self, **more):
        w = self.world
        settings = {"database_url": w.postgres.url(RUNTIME), "secret_key_file": w.secret_key_file, "calcom_url": w.simulator.url,
                    "calcom_ca": w.certificates.ca, "journal_directory": w.journal, **self.settings, **more}
        return {f"RINGMASTER_{name.upper()}": str(value) for name, value in settings.items()}

    def start(self, until_ready=True, **more):
        w = self.world
        ready = w.directory / "ringmaster.ready"
        ready.unlink(missing_ok=True)
        arguments = [w.program("ringmaster"), "serve", "--listen", f"127.0.0.1:{self.port or 0}", "--ready-file", ready]
        if w.clock.is_set:
            arguments += ["--at", w.clock.text()]
        self.child = w.started(Child("ringmaster", arguments, w.directory / "ringmaster.log", environment=self.environment(**more), stop=((signal.SIGTERM, 40), (signal.SIGKILL, 5))))
        self.port = self.child.wait_ready(ready, 60)["port"]
        if until_ready:
            self.wait_until_ready()

    def wait_until_ready(self, seconds=60):
        """Tenants known, PostgreSQL reached, the journal of an earlier life replayed."""
        said = ""

        def is_ready():
            nonlocal said
            with contextlib.suppress(OSError):
                answer = self.get("/readyz")
                said = f"is up, but not ready: {answer.body.decode()}"
                return answer.status == 200 and all(answer.json()["checks"].values())
            return False

        if wait_until(lambda: is_ready() or not self.child.is_running(), seconds) and self.child.is_running():
            return
        if not self.child.is_running():
            said = f"ended with status {self.child.process.returncode}"
        raise Trouble(f"ringmaster {said}. Its last words:\n{self.child.last_words()}")

    def stop(self):
        return self.child.stop() if self.child else None

    def kill(self):
        self.child.kill()

    def restart(self, **more):
        """At the same address, so that whoever retries finds it."""
        if self.child.is_running():
            self.stop()
        self.start(**more)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def get(self, path):
        return http("GET", self.url + path)

    def command(self, *arguments, owner=False, **more):
        """An operator's command, told where the engine is and what time it is there; the finished process."""
        here = {**({"url": self.url} if self.port else {}), **({"at": self.world.clock.text()} if self.world.clock.is_set else {})}
        environment = self.environment(**{**here, **more})
        if owner:
            environment["RINGMASTER_DATABASE_OWNER_URL"] = self.world.postgres.url(OWNER)
        return subprocess.run([self.world.program("ringmaster"), *map(str, arguments)], capture_output=True, text=True, env={**os.environ, **environment}, cwd="/", timeout=120)

    def must(self, *arguments, **more):
        done = self.command(*arguments, **more)
        if done.returncode != 0:
            raise Trouble(f"ringmaster {' '.join(map(str, arguments))} failed:\n{(done.stderr or done.stdout).strip()}")
        return done.stdout

    def metrics(self):
        """name{labels} → value"""
        lines = self.get("/metrics").body.decode().splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line and not line.startswith("#"))}


# -- the world -----------------------------------------------------------------------------------------------------------------------------------


class World:
    """Everything above, in one folder. up() or the exception that says why not, with nothing left running."""

    def __init__(self, directory, world_file, prefix, at=None, seed=1, settings=None, say=lambda text: None, on_start=lambda child: None):
        self.directory = pathlib.Path(directory).absolute()
        self.directory.mkdir(parents=True, exist_ok=True)
        os.chmod(self.directory, 0o755)
        self.world_file, self.prefix, self.seed = pathlib.Path(world_file).absolute(), pathlib.Path(prefix).absolute(), seed
        try:
            self.description = json.loads(self.world_file.read_bytes())
        except FileNotFoundError:
            raise Trouble(f"There is no world file {self.world_file}.") from None
        except ValueError as error:
            raise Trouble(f"{self.world_file} is not JSON: {error}.") from None
        self.clock, self.say, self.on_start = Clock(at), say, on_start
        self.certificates = Certificates(self.directory / "tls")
        self.journal = self.directory / "journal"
        self.secret_key_file = self.directory / "secret.key"
        self.postgres = Postgres(self.directory / "postgres", say, on_start)
        self.simulator = Simulator(self)
        self.engine = Engine(self, dict(settings or {}))

    def program(self, name):
        path = self.prefix / "bin" / name
        if not path.exists():
            raise Trouble(f"{path} is not built.")
        return path

    def started(self, child):
        self.on_start(child)
        return child

    def up(self, engine=True):
        try:
            self._prepare()
            self.simulator.start()
            self.say(f"Cal.com      {self.simulator.url} (simulated)")
            self.engine.must("migrate", owner=True)
            self.engine.must("provision", self.world_file, owner=True)
            if engine:
                self.engine.start()
                self.say(f"ringmaster   {self.engine.url}")
        except BaseException:
            self.down()
            raise
        return self

    def _prepare(self):
        shutil.rmtree(self.journal, ignore_errors=True)
        self.journal.mkdir()
        for log in self.directory.glob("*.log"):
            log.unlink()
        self.secret_key_file.unlink(missing_ok=True)
        self.secret_key_file.touch(mode=0o600)
        self.secret_key_file.write_text(secrets.token_hex(32) + "\n")
        self.certificates.create()
        self.postgres.create()
        self.say(f"PostgreSQL   127.0.0.1:{self.postgres.port}")

    def down(self):
        """Engine first, so that it can drain into a PostgreSQL that is there. The engine's exit status."""
        status = self.engine.stop()
        self.simulator.stop()
        self.postgres.stop()
        if self.postgres.directory.parent == pathlib.Path("/var/tmp"):
            shutil.rmtree(self.postgres.directory, ignore_errors=True)
        return status

    # -- who is who in the world file

    @property
    def workspace(self):
        workspaces = self.description.get("workspaces") or []
        if not workspaces:
            raise Trouble(f"{self.world_file} has no workspace.")
        return next((w for w in workspaces if w.get("default")), workspaces[0])

    def reachable_branches(self):
        """(company, branch) of those that the workspace's calls can reach."""
        return [(c, b) for c in self.description.get("companies", []) for b in c.get("branches", [])
                if b.get("workspace", self.workspace["key"]) == self.workspace["key"] and b.get("phone_numbers")]

    def example(self):
        """The company and branch that a first call would ring."""
        reachable = self.reachable_branches()
        if not reachable:
            raise Trouble(f"{self.world_file}: no branch of workspace {self.workspace['key']} has a phone number.")
        return next(((c, b) for c, b in reachable if b.get("retell_agent_id")), reachable[0])

    def variables(self):
        """What somebody outside needs to play in this world."""
        _, branch = self.example()
        return {"RINGMASTER_URL": self.engine.url, "WORKSPACE_TOKEN": self.workspace["token"], "RETELL_API_KEY": self.workspace["retell_api_keys"][0],
                "RETELL_AGENT_ID": branch.get("retell_agent_id") or (self.workspace.get("agents") or [""])[0], "CALLED_NUMBER": branch["phone_numbers"][0],
                "CALCOM_URL": self.simulator.url, "CALCOM_CA": str(self.certificates.ca), "SIM_CONTROL_URL": self.simulator.control_url,
                "DATABASE_URL": self.postgres.url(RUNTIME), "DATABASE_OWNER_URL": self.postgres.url(OWNER)}


def private_file(path, text):
    """Written whole or not at all, readable by its owner alone."""
    part = pathlib.Path(f"{path}.part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    part.write_text(text)
    assert stat.S_IMODE(part.stat().st_mode) == 0o600
    part.rename(path)
