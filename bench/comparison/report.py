# Writes what was measured: tables in markdown and a chart in SVG.
import datetime
import html
import os
import platform
import re
import statistics
import subprocess

BEGIN = "<!-- bench/compare begins: generated, do not edit -->"
END = "<!-- bench/compare ends -->"
NOT_PEERS = ("floor", "gatehouse")


def _best_peer(rows):
    costs = [row["cpu_us"] for row in rows if "cpu_us" in row and row["server"] not in NOT_PEERS]
    return min(costs, default=None)


def _floor(rows):
    return next((row["cpu_us"] for row in rows if row["server"] == "floor" and "cpu_us" in row), None)


def _ratio(value, to):
    return f"{value / to:.2f}" if to else "n/a"


def _number(value, digits=0):
    return "n/a" if value is None else f"{value:,.{digits}f}"


def _megabytes(value):
    return "n/a" if value is None else f"{value / 1e6:,.0f}"


def _latencies(row):
    times = row.get("latency_us")
    if not times:
        return ["n/a"] * 3
    return [f"{times[name]:,.0f}" for name in ("p50", "p99", "p99.9")]


def _request_cells(row, floor, best):
    return [row["server"], f"{row['cpu_us']:,.2f}", _ratio(row["cpu_us"], floor), _ratio(row["cpu_us"], best),
            _number(row["per_second"], 0 if row["per_second"] > 100 else 2), *_latencies(row),
            _number(row["system_calls"], 2), _megabytes(row["memory"]), f"{row['origin_share']:.3f}"]


REQUEST_HEADINGS = ["server", "CPU, us", "to floor", "to best peer", "requests/s", "p50, us", "p99, us", "p99.9, us",
                    "system calls", "memory, MB", "origin"]


def _markdown(headings, lines):
    text = "| " + " | ".join(headings) + " |\n| --- |" + " ---: |" * (len(headings) - 1) + "\n"
    return text + "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _idle_table(rows):
    able = [row for row in rows if row["idle_bytes"] is not None]
    return _markdown(["server", "bytes each", "memory, MB"],
                     [[row["server"], _number(row["idle_bytes"]), _megabytes(row["memory"])] for row in able])


def _notes(load, rows):
    notes = [load.note] if load.note else []
    rate = next((row["rate"] for row in rows if row.get("rate")), None)
    if rate:
        notes.append(f"Latencies at {rate:,.0f} requests/s.")
    for row in rows:
        if row["why_not"]:
            notes.append(f"{row['server']}: n/a, {row['why_not']}.")
        elif row["why_no_latency"]:
            notes.append(f"{row['server']} has no latencies: {row['why_no_latency']}.")
    logs = [f"{row['server']} {row['cpu_us_of_threads'][thread]:.2f}" for row in rows if "cpu_us_of_threads" in row
            for thread in ("access-log", "varnishncsa") if thread in row["cpu_us_of_threads"]]
    if logs:
        notes.append("Of the CPU, what writes the access log apart from what serves: " + ", ".join(logs) + ".")
    return " ".join(notes)


def table(load, rows):
    able = [row for row in rows if "cpu_us" in row]
    floor, best = _floor(rows), _best_peer(rows)
    if load.kind == "idle":
        text = _idle_table(rows)
    else:
        text = _markdown(REQUEST_HEADINGS, [_request_cells(row, floor, best) for row in able])
    notes = _notes(load, rows)
    title = load.title[0].upper() + load.title[1:]
    return f"### {load.name}\n\n{title}.\n\n{text}" + (f"\n{notes}\n" if notes else "")


class Results:
    def __init__(self, rounds, versions):
        self.rounds = rounds
        self.versions = versions
        self.loads = []
        self.rows = {}
        self.commit = self._commit()
        self.started = datetime.datetime.now(datetime.timezone.utc)

    def add(self, load, rows):
        self.loads.append(load)
        self.rows[load.name] = rows

    def _machine(self):
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            model = re.search(r"model name\s*: (.*)", file.read())
        try:
            system = platform.freedesktop_os_release()["PRETTY_NAME"]
        except OSError:
            system = platform.system()
        kernel = platform.release().split("-")[0]
        return f"{os.cpu_count()} processors, {model.group(1) if model else platform.machine()}, Linux {kernel}, {system}"

    @staticmethod
    def _commit():
        done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True,
                              cwd=os.path.dirname(__file__))
        return done.stdout.strip() or "unknown"

    def _summary(self):
        names = ["gatehouse", "nginx", "haproxy", "varnish", "trafficserver"]
        lines = []
        for load in self.loads:
            if load.kind == "idle":
                continue
            rows = [row for row in self.rows[load.name] if "cpu_us" in row]
            floor = _floor(rows)
            unit = floor or next((row["cpu_us"] for row in rows if row["server"] == "gatehouse"), None)
            cells = [f"[{load.name}](#{load.name})", "floor" if floor else "gatehouse"]
            for name in names:
                costs = [row["cpu_us"] for row in rows if row["server"].split()[0] == name]
                cells.append(_ratio(min(costs), unit) if costs else "n/a")
            lines.append(cells)
        return _markdown(["load", "1.00 is", *names], lines)

    def text(self):
        versions = ", ".join(f"{name} {version}" for name, version in sorted(self.versions.items()))
        shares = [row["disturbed"] for rows in self.rows.values() for row in rows if row.get("disturbed") is not None]
        disturbed = statistics.median(shares) if shares else 0
        quiet = f" Other work on the machine kept the load waiting for {100 * disturbed:.1f} % of the time" + (
            "." if disturbed < 0.02 else ": it was not quiet, so latencies, requests/s and the last digit of ratios say "
            "little.")
        parts = [
            f"{self._machine()}; {self.started:%d %B %Y}; gatehouse at {self.commit}, {versions}. Medians of "
            f"{self.rounds} interleaved rounds.{quiet}",
            "What the columns mean, how each server is set up and what loopback cannot show is in "
            "[README.md](README.md).",
            "## CPU per request, as a ratio", self._summary().rstrip(),
            "![CPU per request of each server](results.svg)", "## Each load",
            *[table(load, self.rows[load.name]).rstrip() for load in self.loads]]
        return "\n\n".join(parts)

    def write(self, target):
        """Into the marked part of the file; the rest of it is kept."""
        block = f"{BEGIN}\n\n{self.text()}\n\n{END}"
        old = ""
        if os.path.exists(target):
            with open(target, encoding="utf-8") as file:
                old = file.read()
        if BEGIN in old and END in old:
            text = old[:old.index(BEGIN)] + block + old[old.index(END) + len(END):]
        else:
            text = "# Results\n\n" + block + "\n"
        with open(target, "w", encoding="utf-8") as file:
            file.write(text)
        with open(os.path.join(os.path.dirname(target) or ".", "results.svg"), "w", encoding="utf-8") as file:
            file.write(self.chart())

    # The chart: a group of bars for each load, as long as the ratio.

    COLOURS = {"floor": "#9aa0a6", "gatehouse": "#1a73e8", "nginx": "#34a853", "nginx tcp_nopush": "#81c995",
               "haproxy": "#f9ab00", "varnish": "#d93025", "trafficserver": "#9334e6"}

    def chart(self):
        left, width, bar, limit = 120, 620, 12, 6.0
        top = 56
        parts = []
        for load in self.loads:
            rows = [row for row in self.rows[load.name] if "cpu_us" in row]
            unit = _floor(rows) or next((row["cpu_us"] for row in rows if row["server"] == "gatehouse"), None)
            if not unit:
                continue
            parts.append(f'<text x="{left - 8}" y="{top + bar * len(rows) / 2 + 4:.0f}" text-anchor="end" '
                         f'font-weight="bold">{html.escape(load.name)}</text>')
            for row in rows:
                ratio = row["cpu_us"] / unit
                length = min(ratio, limit) / limit * width
                label = f"{ratio:.2f}" + (" (cut)" if ratio > limit else "")
                parts.append(f'<rect x="{left}" y="{top}" width="{length:.1f}" height="{bar - 2}" '
                             f'fill="{self.COLOURS.get(row["server"], "#000")}"/>'
                             f'<text x="{left + length + 4:.1f}" y="{top + bar - 3}" font-size="10">{label}</text>')
                top += bar
            top += 10
        legend = ""
        for index, (name, colour) in enumerate(self.COLOURS.items()):
            at = 10 + index * 115
            legend += (f'<rect x="{at}" y="30" width="10" height="10" fill="{colour}"/>'
                       f'<text x="{at + 14}" y="39" font-size="11">{html.escape(name)}</text>')
        return (f'<svg xmlns="http://www.w3.org/2000/svg" width="840" height="{top + 10}" font-family="sans-serif" '
                f'font-size="12"><rect width="840" height="{top + 10}" fill="#fff"/>'
                '<text x="10" y="18" font-size="14">CPU per request, in multiples of the floor (of gatehouse where the '
                f'floor cannot take part)</text>{legend}{"".join(parts)}</svg>\n')
