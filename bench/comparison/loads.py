# The loads that servers are compared under. Counts are those of one round.
from dataclasses import dataclass, field

from servers import Setting


@dataclass
class Load:
    name: str
    title: str                    # what one request is
    path: str                     # for hit_load; {next} stands for numbers that were not asked for before
    requests: int
    connections: int = 32
    status: int = 200
    fields: tuple = ()
    pieces: int = 3               # in which a round is taken, each in its turn with those of the other servers
    options: tuple = ()           # of hit_load, in the closed loop and in the open one
    closed_options: tuple = ()    # in the closed loop only
    setting: Setting = field(default_factory=Setting)
    open_loop: bool = True
    hits: bool = True             # whether the origin is not to be asked
    distinct: bool = False        # whether there is more than one object, so that one answer cannot stand for all
    sleeps: bool = False          # whether load and origin share a processor
    nopush: bool = False          # whether nginx is measured with tcp_nopush too
    objects: int = 0              # 0 to objects - 1 are stored before
    object_path: str = ""         # of one of these, before its number
    kind: str = "requests"        # or `idle`: memory of idle connections
    content: int = 1000           # bytes of the answer
    needs: tuple = ()             # words of what servers may not be able to do
    note: str = ""

    def one_path(self):
        """One path of those that are asked for."""
        return self.path if "{" not in self.path else self.path[:self.path.index("{")] + "0"


def _hit(name, size, requests, **more):
    return Load(f"hit-{name}", f"a hit of {size} from memory", f"/{more['content']}/item", requests, nopush=True, **more)


def _disk(name, content, objects, requests, memory_mb):
    return Load(
        f"disk-{name}", f"a hit of {name.replace('k', ' kB')} from the disk cache, {objects:,} objects in random order",
        f"/{content}/{{random:{objects}}}", requests, setting=Setting(memory_mb, disk=True, objects=objects),
        distinct=True, objects=objects, object_path=f"/{content}/", nopush=True, content=content, needs=("disk",),
        note=f"All files are in the page cache; memory caches have {memory_mb} MiB. "
             "nginx keeps every file open.")


def all_loads():
    return [
        _hit("1k", "1 kB", 40000, content=1000),
        _hit("100k", "100 kB", 8000, content=100000),
        _hit("1m", "1 MB", 1500, content=1000000),
        _disk("8k", 8192, 15000, 20000, 4),
        _disk("100k", 102400, 4000, 8000, 64),
        Load("disk-1g", "a hit of 1 GiB from the disk cache, one client", f"/{1 << 30}/0", 1, connections=1,
             setting=Setting(64, disk=True, objects=1000, large=True), open_loop=False, objects=1,
             object_path=f"/{1 << 30}/", content=1 << 30, pieces=1, needs=("disk", "distinct"),
             note="All of it is in the page cache."),
        Load("zipf-10k", "a hit of 1 kB, 10,000 objects, number n as likely as 1 / n^0.9", "/1000/{zipf:10000:0.9:SEED}",
             40000, distinct=True, objects=10000, object_path="/1000/"),
        Load("304", "an answer with 304", "/1000/item", 40000, status=304, fields=('If-None-Match: "bench"',)),
        Load("range", "1,000 bytes out of a stored 100 kB", "/100000/item", 40000, status=206,
             fields=("Range: bytes=50000-50999",), needs=("range",)),
        Load("miss-1k", "a miss of 1 kB that is stored", "/1000/{next}", 10000, hits=False, distinct=True, sleeps=True,
             needs=("proxy",)),
        Load("miss-8k", "a miss of 8 kB that is stored", "/8192/{next}", 10000, hits=False, distinct=True, sleeps=True,
             content=8192, needs=("proxy",)),
        Load("miss-disk", "a miss of 8 kB that is stored on a disk", "/8192/{next}", 10000,
             setting=Setting(256, disk=True), hits=False, distinct=True, sleeps=True, content=8192,
             needs=("proxy", "disk")),
        Load("pass-1k", "an answer of 1 kB with no-store, passed through", "/1000/no-store/item", 15000, hits=False,
             sleeps=True, needs=("proxy",)),
        Load("storm", "100 requests for the same at once, which the origin answers after 20 ms", "/1000/late/{next}",
             1000, connections=100, pieces=1, closed_options=("--waves",), open_loop=False, hits=False, distinct=True,
             sleeps=True, needs=("proxy",),
             note="Latencies are those of the closed loop. HAProxy does not join requests; nginx looks again after "
                  "500 ms whether what it waits for is there."),
        Load("connect", "a hit of 1 kB on a connection of its own", "/1000/item", 8000, options=("--new-connections",)),
        Load("idle", "an idle connection that has had one answer", "/1000/item", 5000, connections=5000, kind="idle"),
        Load("pipeline", "a hit of 1 kB, 16 of which are asked for together", "/1000/item", 64000,
             closed_options=("--pipeline", "16"), open_loop=False),
        Load("slow", "a hit of 1 kB beside 50 clients that read 1 MB at 50 kB/s each", "/1000/item", 40000, pieces=1,
             options=("--slow", "50:50000:/1000000/item"),
             note="CPU is all that the server used, of the slow clients too, for each fast request."),
        Load("zipf-1m", "a hit of 1 kB, 1,000,000 objects, number n as likely as 1 / n^0.9",
             "/1000/{zipf:1000000:0.9:SEED}", 40000, setting=Setting(4000, objects=1000000), distinct=True,
             objects=1000000, object_path="/1000/",
             note="Files of nginx and of Traffic Server are on the disk, in the page cache, and not in their memory here. "
                  "nginx has 18,000 of them open at once."),
    ]
