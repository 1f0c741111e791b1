# The servers that are compared: how each is started with its configuration in bench/peers, what belongs to it, and how
# much memory it has. All run on processor 0, the origin beside the load on processor 1.
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import time

SERVER_CPU = 0
LOAD_CPU = 1
BENCH = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ORIGIN_PORT = 29300


class Failure(Exception):
    """Why a server cannot do something; the text is for the report."""


class Setting:
    """What all servers get for one load."""

    def __init__(self, memory_mb=1024, disk=False, objects=100000, large=False):
        self.memory_mb = memory_mb    # of each memory cache
        self.disk = disk              # whether caches are on a disk
        self.objects = objects        # that a cache is to hold
        self.large = large            # whether one object is to have a gigabyte
        # A million files take gigabytes of a tmpfs, which cannot be taken back as the page cache can.
        self.files_on_disk = disk or objects > 500000
        self.cache_mb = 6144 if large or objects > 500000 else 4096  # of a cache that is made of files


def _prepare_child(cpu):
    def prepare():
        # A group of its own to be ended with, but the session of the comparison: Linux shares the processor out by
        # session first, and the priority that the comparison was given is to hold for all.
        os.setpgid(0, 0)
        os.sched_setaffinity(0, {cpu})
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return prepare


def start_process(command, cpu, log, environment=None, output=None):
    with open(log, "ab") as errors:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output or errors, stderr=errors, env=environment,
            preexec_fn=_prepare_child(cpu))


def stop_process(process):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            # The whole group of it, which start_process began: its workers too.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def request(port, path, fields=(), host="bench.test", timeout=30):
    """One request on a connection of its own: status, bytes of head and content."""
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Accept: */*", "User-Agent: hit_load", *fields]
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        data = b""
        while b"\r\n\r\n" not in data:
            data += _receive(connection)
        head, _, content = data.partition(b"\r\n\r\n")
        status = int(head.split()[1])
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        missing = 0 if status == 304 or not length else int(length.group(1)) - len(content)
        kept = [content]
        while missing > 0:
            kept.append(_receive(connection))
            missing -= len(kept[-1])
    return status, head + b"\r\n\r\n", b"".join(kept)


def _receive(connection):
    data = connection.recv(1 << 20)
    if not data:
        raise Failure("closed the connection within a response")
    return data


def wait_until_answers(port, process, path="/1/ready"):
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            if request(port, path)[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise Failure("did not start")


class Server:
    """One server. `rows` are the ways in which it is measured: a name and a port each."""

    name = ""
    has_disk = False
    no = {}  # loads that it cannot do, by a word of the load, with the reason

    def __init__(self, peers, base_port, build):
        self.peers = peers
        self.port = base_port
        self.build = build
        self.processes = []
        self.work = ""
        self.fast = ""

    def rows(self, _load):
        return [(self.name, self.port)]

    def start(self, work, fast, setting):
        """`work` is a folder on a disk, `fast` one on a tmpfs."""
        self.work = os.path.join(work, self.name)
        self.fast = os.path.join(fast, self.name)
        for folder in (self.work, self.fast):
            shutil.rmtree(folder, ignore_errors=True)
            os.makedirs(folder)
        self.launch(setting)
        wait_until_answers(self.port, self.processes[0])

    def launch(self, setting):
        raise NotImplementedError

    def stop(self):
        for process in reversed(self.processes):
            stop_process(process)
        self.processes = []
        for folder in (self.work, self.fast):
            if folder:
                shutil.rmtree(folder, ignore_errors=True)

    def configure(self, name, values, target=None):
        """Fills in a file of bench/peers."""
        with open(os.path.join(BENCH, "peers", name), encoding="utf-8") as file:
            text = file.read()
        values = {"PORT": self.port, "ORIGIN_PORT": ORIGIN_PORT, "WORK": self.work, **values}
        text = re.sub(r"@([A-Z_]+)@", lambda found: str(values[found.group(1)]), text)
        target = target or os.path.join(self.work, os.path.basename(name))
        with open(target, "w", encoding="utf-8") as file:
            file.write(text)
        return target

    def run(self, command, output=None):
        log = os.path.join(self.work, "output.log")
        self.processes.append(
            start_process(command, SERVER_CPU, log, self.peers.environment() if self.peers else None, output))

    def fill(self, _load, fill):
        fill(self.port)

    def pids(self):
        """Every process of the server."""
        found = []
        open_pids = [process.pid for process in self.processes]
        while open_pids:
            pid = open_pids.pop()
            found.append(pid)
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                    open_pids += [int(word) for word in file.read().split()]
        return [pid for pid in found if self.is_counted(pid)]

    def is_counted(self, _pid):
        return True

    def memory(self):
        """Bytes: what is resident, shared pages counted once, and files of the cache on the tmpfs."""
        total = 0
        for pid in self.pids():
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                total += int(re.search(r"\nPss: *(\d+) kB", file.read()).group(1)) * 1024
        for folder, _, names in os.walk(self.fast):
            for name in names:
                try:
                    total += os.stat(os.path.join(folder, name)).st_blocks * 512
                except OSError:
                    pass  # a temporary file that became another
        return total


class Responder(Server):
    name = "floor"
    no = {"proxy": "it asks no origin", "distinct": "it has no second object", "disk": "it has no disk"}

    def start_with(self, work, response):
        """Sends `response` to whoever asks for anything."""
        self.work = os.path.join(work, self.name)
        os.makedirs(self.work, exist_ok=True)
        with open(os.path.join(self.work, "response"), "wb") as file:
            file.write(response)
        self.run([os.path.join(self.build, "bench_epoll_responder"), str(self.port), file.name])


class Gatehouse(Server):
    name = "gatehouse"
    has_disk = True

    def launch(self, setting):
        self._launch(setting.memory_mb, setting)

    def _launch(self, memory_mb, setting):
        disk_line = f"  disk: {{ path: {self.work}/disk, size: {setting.cache_mb * (2 if setting.large else 1)}MiB }}"
        file = self.configure("gatehouse.yaml", {
            "ADMIN_PORT": self.port + 1, "MEMORY_MB": memory_mb, "DISK_LINE": disk_line if setting.disk else ""})
        self.run([os.path.join(self.build, "gatehouse"), "run", file])

    def metric(self, name):
        content = request(self.port + 1, "/metrics", host="127.0.0.1")[2].decode()
        return sum(float(line.split()[-1]) for line in content.splitlines()
                   if re.match(rf"{name}[ {{]", line))

    def fill(self, load, fill):
        """On a disk: filled with much memory, because what waits to be written is in it; then served with little."""
        if not load.setting.disk:
            fill(self.port)
            return
        small_mb = load.setting.memory_mb
        self._restart(512, load.setting)
        for _ in range(30):
            fill(self.port)
            while self.metric("gatehouse_disk_queued_bytes") > 0:
                time.sleep(0.05)
            # What was asked for to see whether it answers is there too.
            if self.metric("gatehouse_disk_objects") > load.objects:
                break
        else:
            raise Failure("did not get all objects onto its disk")
        self._restart(small_mb, load.setting)

    def _restart(self, memory_mb, setting):
        stop_process(self.processes.pop())
        self._launch(memory_mb, setting)
        wait_until_answers(self.port, self.processes[0])


class Nginx(Server):
    name = "nginx"
    has_disk = True

    def is_counted(self, pid):
        """All but the loader, which looks at what was in the cache at the start, finds nothing and ends."""
        with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
            return "cache loader" not in file.read()

    def rows(self, load):
        rows = [("nginx", self.port)]
        return rows + [("nginx tcp_nopush", self.port + 1)] if load.nopush else rows

    def launch(self, setting):
        file = self.configure("nginx.conf", {
            "NOPUSH_PORT": self.port + 1, "CACHE": os.path.join(self.work if setting.files_on_disk else self.fast, "cache"),
            "CACHE_MB": setting.cache_mb, "KEYS_MB": max(64, setting.objects // 5000),
            # As many as it may have open beside its connections.
            "OPEN_FILES": min(setting.objects + 100, 18000)})
        self.run([self.peers.program("usr/sbin/nginx"), "-e", os.path.join(self.work, "error.log"), "-c", file])


class HAProxy(Server):
    name = "haproxy"
    no = {"range": "it answers 200 with the whole", "disk": "it has no disk cache"}

    def launch(self, setting):
        file = self.configure("haproxy.cfg", {"MEMORY_MB": min(setting.memory_mb, 4095)})
        with open(os.path.join(self.work, "access.log"), "wb") as log:
            self.run([self.peers.program("usr/sbin/haproxy"), "-db", "-f", file], output=log)


class Varnish(Server):
    name = "varnish"
    no = {"disk": "its file storage is memory that is paged, and keeps nothing over a restart"}

    def launch(self, setting):
        file = self.configure("varnish.vcl", {})
        name = os.path.join(self.work, "instance")
        self.run([
            self.peers.program("usr/sbin/varnishd"), "-F", "-j", "none", "-n", name, "-f", file,
            "-a", f"127.0.0.1:{self.port}", "-T", "none", "-s", f"malloc,{setting.memory_mb}M",
            "-p", f"vmod_path={self.peers.root}/usr/lib/x86_64-linux-gnu/varnish/vmods",
            "-p", "thread_pools=1", "-p", "thread_pool_min=200", "-p", "thread_pool_max=5000",
            "-p", "timeout_idle=3600", "-p", "listen_depth=4096"])
        wait_until_answers(self.port, self.processes[0])
        self.run([self.peers.program("usr/bin/varnishncsa"), "-n", name, "-w", os.path.join(self.work, "access.log")])


class TrafficServer(Server):
    name = "trafficserver"
    has_disk = True

    def launch(self, setting):
        folders = {"sysconfdir": "etc", "runtimedir": "run", "logdir": "log", "cachedir": "cache", "localstatedir": "var"}
        for folder in folders.values():
            os.makedirs(os.path.join(self.work, folder))
        with open(os.path.join(self.work, "runroot.yaml"), "w", encoding="utf-8") as file:
            file.write(f"prefix: {self.work}\nexec_prefix: {self.work}\n")
            for key, folder in folders.items():
                file.write(f"{key}: {os.path.join(self.work, folder)}\n")
            file.write(f"bindir: {self.peers.root}/usr/bin\nsbindir: {self.peers.root}/usr/bin\n")
            file.write(f"libexecdir: {self.peers.root}/usr/lib/trafficserver/modules\n")
            file.write(f"datadir: {self.peers.root}/usr/share/trafficserver\n")
        shipped = os.path.join(self.peers.root, "etc/trafficserver")
        shutil.copytree(shipped, os.path.join(self.work, "etc"), dirs_exist_ok=True)
        values = {
            "RAM_BYTES": setting.memory_mb << 20, "CACHE_MB": setting.cache_mb,
            "CACHE": self.work if setting.files_on_disk else self.fast}
        for name in os.listdir(os.path.join(BENCH, "peers", "trafficserver")):
            self.configure(f"trafficserver/{name}", values, os.path.join(self.work, "etc", name))
        self.run([self.peers.program("usr/bin/traffic_server"), f"--run-root={self.work}/runroot.yaml"])


class Origin:
    """Answers /BYTES/ANYTHING with so many bytes."""

    def __init__(self, build, work):
        self.process = start_process(
            [os.path.join(build, "bench_sized_origin"), str(ORIGIN_PORT)], LOAD_CPU, os.path.join(work, "origin.log"))
        wait_until_answers(ORIGIN_PORT, self.process)

    def answers(self):
        return int(request(ORIGIN_PORT, "/count")[2])

    def stop(self):
        stop_process(self.process)


def all_servers(peers, build):
    kinds = [Responder, Gatehouse, Nginx, HAProxy, Varnish, TrafficServer]
    return [kind(None if kind in (Responder, Gatehouse) else peers, 29310 + 10 * index, build)
            for index, kind in enumerate(kinds)]
