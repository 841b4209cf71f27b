"""The console while rows go through the local cloud, with five tabs: its own processor time and memory, and the messages
that a tab gets."""

import http.client
import os
import pathlib
import signal
import subprocess
import threading
import time
import urllib.parse

import measure
import pipeline
from cloud import Cloud

TABS = 5
# What the project promises: a share of one processor, MiB, and messages a second to a tab.
MOST_PROCESSOR, MOST_MEMORY, MOST_MESSAGES = 0.05, 40, 30


class Tab:
    """A browser's connection for events, which are counted and not kept."""

    def __init__(self, link):
        url = urllib.parse.urlsplit(link)
        token = urllib.parse.parse_qs(url.query)["token"][0]
        self.connection = http.client.HTTPConnection(url.hostname, url.port, timeout=60)
        self.connection.request("GET", "/api/events", headers={"Authorization": f"Bearer {token}"})
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200, self.answer.status
        self.times, self.bytes = [], 0
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            for line in self.answer:
                self.bytes += len(line)
                if line.startswith(b"event:"):
                    self.times.append(time.perf_counter())
        except (OSError, ValueError, http.client.HTTPException):
            return

    def most(self, begun):
        """Returns the most messages in any second since then."""
        times = [at for at in self.times if at >= begun]
        return max((sum(1 for other in times if at <= other < at + 1) for at in times), default=0)


def own(pid):
    """Returns the MiB of a process now that are its own, without the program and other files."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    return 0.0


def tabs(deployer, _, rows):
    """Measures the console with five tabs while the rows of a file go through, and with nothing to do."""
    with Cloud(deployer) as cloud:
        folder = pathlib.Path(cloud.folder)
        (folder / "stack.yaml").write_text(pipeline.stack_with(10))
        cloud.run("deploy", "local", "-y", "--config", "throttle=8")
        (folder / "rows.csv").write_text(pipeline.records(rows), newline="")
        started = cloud.start("console", "local", "--no-open", stdout=subprocess.PIPE, text=True)
        try:
            link = started.stdout.readline().strip()
            pid = started.pid
            open_tabs = [Tab(link) for _ in range(TABS)]
            time.sleep(5)
            for name, work in [
                ("20 s without rows", lambda: time.sleep(20)),
                (f"{rows:,} rows", lambda: cloud.run("upload", "rows.csv", "local", "--wait", "--timeout", "1h")),
            ]:
                spent, begun, machine = measure.spent(pid), time.perf_counter(), measure.busy()
                had = [tab.bytes for tab in open_tabs]
                work()
                seconds = time.perf_counter() - begun
                share = (measure.spent(pid) - spent) / seconds
                machine = (measure.busy() - machine) / seconds / os.cpu_count()
                most = max(tab.most(begun) for tab in open_tabs)
                mean = sum(1 for at in open_tabs[0].times if at >= begun) / seconds
                each = max(tab.bytes - before for tab, before in zip(open_tabs, had)) / seconds / 1024
                print(f"{name}, {TABS} tabs: {seconds:.1f} s; console {share * 100:.1f} % of a processor, peak {measure.high_water(pid):.1f} MiB, "
                      f"{own(pid):.1f} MiB of it its own; to a tab "
                      f"{mean:.1f} messages/s, {most} in a second at most, {each:.1f} KiB/s; the machine was busy at {machine * 100:.0f} %",
                      flush=True)
                if share > MOST_PROCESSOR:
                    print(f"{name}: more than {MOST_PROCESSOR * 100:.0f} % of a processor")
                if measure.high_water(pid) > MOST_MEMORY:
                    print(f"{name}: more than {MOST_MEMORY} MiB")
                if most > MOST_MESSAGES:
                    print(f"{name}: more than {MOST_MESSAGES} messages in a second")
        finally:
            started.send_signal(signal.SIGINT)
            started.wait(timeout=30)
