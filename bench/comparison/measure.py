# Measures one load against all servers: probes what each can do, fills and warms them, and takes the rounds in turn.
import json
import os
import resource
import signal
import statistics
import subprocess
import time

from servers import LOAD_CPU, Failure, request

OPEN_LOOP_SECONDS = 1.0       # of a round
# What stops the machine for some milliseconds, two to three times a second, is in the p99 of the piece that it falls into.
# Most pieces that are as short as these have none, and so has the median none.
OPEN_LOOP_PIECE_REQUESTS = 2500
MOST_OPEN_LOOP_PIECES = 12    # of a round
OPEN_LOOP_CONNECTIONS = 64
LONGEST_RUN_SECONDS = 120


class Row:
    """What is measured of one server in one way."""

    def __init__(self, name, port, server):
        self.name = name
        self.port = port
        self.server = server
        self.closed = []            # what hit_load printed, a round each
        self.open = []
        self.origin_requests = 0    # of the closed loop
        self.system_calls = None
        self.memory = None
        self.idle_bytes = None
        self.why_not = None         # it cannot do this load
        self.why_no_latency = None


class Comparison:
    def __init__(self, servers, origin, build, work, fast, rounds, say):
        self.servers = servers
        self.origin = origin
        self.load_program = os.path.join(build, "bench_hit_load")
        self.work = work
        self.fast = fast
        self.rounds = rounds
        self.say = say
        self.next_number = 0

    def run(self, load, hold=False):
        """The rows of a load. All servers are started for it, and ended after it."""
        rows = []
        try:
            floor_bytes = None
            for server in self.servers[1:]:
                rows += self._start(server, load)
                if server.name == "gatehouse" and not rows[-1].why_not and not load.kind == "idle":
                    floor_bytes = self._answer(load, server.port)
            rows = self._start_floor(load, floor_bytes) + rows
            able = [row for row in rows if not row.why_not]
            if hold:
                self._hold(load, able)
            elif load.kind == "idle":
                self._measure_idle(load, able)
            else:
                self._measure(load, able)
        finally:
            for server in self.servers:
                server.stop()
        return [self._summary(load, row) for row in rows]

    # Starting

    def _start(self, server, load):
        rows = [Row(name, port, server) for name, port in server.rows(load)]
        reasons = [server.no[need] for need in load.needs if need in server.no]
        try:
            if reasons:
                raise Failure(reasons[0])
            server.start(self.work, self.fast, load.setting)
            if load.objects:
                self.say(f"  {server.name} gets {load.objects:,} objects")
                server.fill(load, lambda port: self._fill(load, server.name, port))
            self._probe(load, rows)
        except (Failure, OSError) as failure:
            self.say(f"  {server.name}: {failure}")
            server.stop()
            for row in rows:
                row.why_not = str(failure)
        return rows

    def _start_floor(self, load, response):
        floor = self.servers[0]
        row = Row(floor.name, floor.port, floor)
        reasons = [floor.no[need] for need in load.needs if need in floor.no and need != "disk"]
        if load.kind == "idle":
            response = self._answer(load, self.servers[1].port)
        if reasons or response is None:
            row.why_not = reasons[0] if reasons else "there is no answer of gatehouse to send"
        else:
            floor.start_with(self.work, response)
            self._wait_for_floor(load, floor.port)
        return [row]

    def _wait_for_floor(self, load, port):
        for _ in range(100):
            try:
                if request(port, load.one_path(), load.fields)[0] == load.status:
                    return
            except OSError:
                time.sleep(0.02)
        raise Failure("the floor does not start")

    def _answer(self, load, port):
        _, head, content = request(port, load.one_path(), load.fields)
        return head + content

    def _fill(self, load, name, port):
        self._hit_load(load, name, port, "", [
            "--no-warm", "--sleep", "1", str(load.objects), str(min(8, load.objects)), load.object_path + "{next:0}"],
            plain=True, seconds=900)

    def _probe(self, load, rows):
        """Whether each row answers as it has to, the origin being asked or not."""
        for row in rows:
            if load.kind == "idle" or "late" in load.path:
                continue
            # The whole of it first: not everybody gets an object for who asks for a part, or has it already.
            request(row.port, load.one_path())
            request(row.port, load.one_path())
            self._check(load, row)
            before = self.origin.answers()
            self._check(load, row)
            if load.hits and self.origin.answers() > before:
                raise Failure("it does not keep the answer")
            if not load.hits and self.origin.answers() == before and not load.distinct:
                raise Failure("it keeps what may not be stored")

    @staticmethod
    def _check(load, row):
        status, _, content = request(row.port, load.one_path(), load.fields)
        if status != load.status:
            raise Failure(f"it answers {status}")
        if status != 304 and len(content) != load.content:
            raise Failure(f"it answers with {len(content)} bytes")

    # Running

    def _hit_load(self, load, name, port, pids, arguments, plain=False, seconds=LONGEST_RUN_SECONDS):
        options = [] if plain else ["--json", "--no-warm", "--status", str(load.status), *load.options]
        options += ["--sleep"] if load.sleeps and not plain else []
        for one in () if plain else load.fields:
            options += ["--field", one]
        command = [self.load_program, *options, *arguments, f"{name.replace(' ', '-')}:{port}:{pids}"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, preexec_fn=prepare_load)
        except subprocess.TimeoutExpired as late:
            raise Failure(f"did not end within {seconds} s") from late
        if done.returncode != 0:
            text = done.stderr.strip().removeprefix("hit_load: ").removeprefix(name.replace(" ", "-")).strip()
            raise Failure(text or f"hit_load ended with {done.returncode}")
        return None if plain else json.loads(done.stdout)

    def _path(self, load, count, seed):
        number = self.next_number
        if "{next}" in load.path:
            self.next_number += count
        return load.path.replace("{next}", f"{{next:{number}}}").replace("SEED", str(seed))

    def _take(self, load, row, count, connections, seed, options=()):
        pids = ",".join(str(pid) for pid in row.server.pids() if alive(pid))
        # Of unique objects each server gets its own numbers, because nginx has two rows and one cache.
        path = self._path(load, count, seed)
        return self._hit_load(load, row.name, row.port, pids, [*options, "1", str(count), str(connections), path])

    def _try(self, row, attempt):
        try:
            return attempt()
        except Failure as failure:
            self.say(f"  {row.name}: {failure}")
            row.why_not = str(failure)
            return None

    def _measure(self, load, rows):
        for row in rows:
            warm = max(load.requests // 4, 1)
            if load.setting.disk and load.objects > 1:
                # Every body is read once, so that none has its checksum compared while it is measured; and once more for
                # what stays in memory of those that do not (heads).
                for _ in range(2):
                    self._try(row, lambda row=row: self._hit_load(load, row.name, row.port, os.getpid(), [
                        "1", str(load.objects), "32", load.object_path + "{next:0}"]))
            self._try(row, lambda row=row, warm=warm: self._take(load, row, warm, load.connections, 1000))
        for number in range(self.rounds * load.pieces):
            # The first one is another one each time.
            able = [row for row in rows if not row.why_not]
            for row in able[number % max(len(able), 1):] + able[:number % max(len(able), 1)]:
                before = self.origin.answers()
                result = self._try(row, lambda row=row: self._take(
                    load, row, max(load.requests // load.pieces, 1), load.connections, number + 1, load.closed_options))
                row.closed += [result] if result else []
                row.origin_requests += self.origin.answers() - before
        if load.open_loop:
            self._measure_open(load, rows)
        for row in rows:
            if not row.why_not:
                row.memory = row.server.memory()
                self._count_system_calls(load, row)

    def _measure_open(self, load, rows):
        able = [row for row in rows if not row.why_not]
        rates = {}
        for row in able:
            if row.server.name != "floor":
                best = statistics.median(one["requests"] / one["seconds"] for one in row.closed)
                rates[row.server.name] = max(best, rates.get(row.server.name, 0))
        if not rates:
            return
        rate = min(rates.values()) / 2
        requests = rate * OPEN_LOOP_SECONDS
        pieces = min(max(int(requests / OPEN_LOOP_PIECE_REQUESTS), load.pieces), MOST_OPEN_LOOP_PIECES)
        count = max(int(requests / pieces), 50)
        self.say(f"  open loop of {rate:.0f} requests/s")
        for row in able:
            row.rate = rate
            if statistics.median(one["requests"] / one["seconds"] for one in row.closed) < rate * 1.1:
                row.why_no_latency = f"it does not reach the rate of {rate:,.0f}/s"
        for number in range(self.rounds * pieces):
            for row in able[number % len(able):] + able[:number % len(able)]:
                if row.why_not or row.why_no_latency:
                    continue
                result = self._try(row, lambda row=row: self._take(
                    load, row, count, OPEN_LOOP_CONNECTIONS, number + 501, ("--rate", f"{rate:.3f}")))
                row.open += [result] if result else []

    def _count_system_calls(self, load, row):
        """On a short run of its own: tracing costs more than what it traces."""
        count = min(load.requests, 2000)
        trace = os.path.join(self.work, "strace")
        attach = [word for pid in row.server.pids() for word in ("-p", str(pid))]
        with subprocess.Popen(["strace", "-c", "-f", "-q", "-o", trace, *attach], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as tracer:
            time.sleep(0.3)
            self._try(row, lambda: self._take(load, row, count, load.connections, 2000, load.closed_options))
            time.sleep(0.1)
            tracer.send_signal(signal.SIGINT)
            tracer.wait(30)
        with open(trace, encoding="utf-8") as file:
            # Share, seconds, microseconds each, calls, errors if there are any, name.
            lines = [line.split() for line in file]
        totals = [int(line[3]) for line in lines if len(line) > 4 and line[-1] == "total"]
        row.system_calls = totals[0] / count if totals else None
        os.remove(trace)

    def _measure_idle(self, load, rows):
        for row in rows:
            self._try(row, lambda row=row: self._hold_connections(load, row))

    def _hold_connections(self, load, row):
        # Some connections first: what a server sets up for its first ones is not what each of them takes.
        self._hit_load(load, row.name, row.port, os.getpid(), ["1", "2000", "32", load.path])
        time.sleep(0.5)
        before = row.server.memory()
        command = [self.load_program, "--idle", "1", str(load.connections), str(load.connections), load.path,
                   f"{row.server.name}:{row.port}:1"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              preexec_fn=prepare_load) as holder:
            if holder.stdout.readline().strip() != "ready":
                raise Failure(holder.stderr.read().strip().removeprefix("hit_load: "))
            time.sleep(1.5)
            row.memory = row.server.memory()
            row.idle_bytes = (row.memory - before) / load.connections
            holder.communicate("")

    def _hold(self, load, rows):
        for row in rows:
            self._take(load, row, load.requests, load.connections, 1)
            self.say(f"  {row.name}: port {row.port}, processes {row.server.pids()}, path {self._path(load, 0, 1)}")
        input("  held until Enter ")

    # Results

    @staticmethod
    def _summary(load, row):
        summary = {"server": row.name, "why_not": row.why_not, "why_no_latency": row.why_no_latency,
                   "memory": row.memory, "idle_bytes": row.idle_bytes, "system_calls": row.system_calls}
        if row.closed and not row.why_not:
            summary["cpu_us"] = statistics.median(sum(one["cpu_us"].values()) for one in row.closed)
            summary["cpu_us_of_threads"] = {
                thread: statistics.median(one["cpu_us"].get(thread, 0) for one in row.closed)
                for thread in row.closed[-1]["cpu_us"]}
            summary["per_second"] = statistics.median(one["requests"] / one["seconds"] for one in row.closed)
            summary["megabytes_per_second"] = statistics.median(
                one["bytes"] / 1e6 / one["seconds"] for one in row.closed)
            summary["origin_share"] = row.origin_requests / sum(one["requests"] for one in row.closed)
            # Where the load has a processor of its own, only what does not belong to the comparison makes it wait.
            timed = row.closed + row.open
            summary["disturbed"] = None if load.sleeps else (
                sum(one["waited"] for one in timed) / sum(one["seconds"] for one in timed))
            summary["rate"] = getattr(row, "rate", None)
            timed = row.open or ([] if load.open_loop else row.closed)
            summary["latency_us"] = {
                name: statistics.median(one["latency_us"][name] for one in timed) for name in ("p50", "p99", "p99.9")
            } if timed else None
        return summary


def prepare_load():
    os.sched_setaffinity(0, {LOAD_CPU})
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def alive(pid):
    return os.path.exists(f"/proc/{pid}")
