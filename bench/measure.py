"""Wall time, processor time and peak memory of processes, by the operating system's accounting."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass

from paths import ROOT


@dataclass
class Figures:
    """The time and the memory of one process."""

    wall: float
    """Seconds."""
    processor: float
    """Seconds on all cores together."""
    peak: float
    """MiB of memory at most; of its own, without what the process that started it had."""


def once(command, cwd=ROOT, env=None):
    """Returns the wall seconds, processor seconds and peak MiB of one run."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=cwd, env=env)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def high_water(pid):
    """Returns the peak MiB of a living process; 0 if it has no memory any more."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            lines = dict(line.split(":", 1) for line in status if ":" in line)
    except OSError:
        return 0.0
    return int(lines.get("VmHWM", "0 kB").split()[0]) / 1024


def spent(pid):
    """Returns the processor seconds of a living process so far, without those of its children."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        # The name before may contain blanks; after it the state is the 1st, `utime` the 12th and `stime` the 13th.
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def busy():
    """Returns the seconds that the machine's processors have worked so far, for all processes."""
    with open("/proc/stat", encoding="ascii") as stat:
        ticks = [int(field) for field in stat.readline().split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def run(command, environment, cwd=None, stdout=subprocess.DEVNULL, watch=None):
    """Runs a command with this environment alone to its end. `watch` is called with the ID of the process every 20 ms."""
    # Not `ru_maxrss`: that starts with the memory of the process that forks, which is larger than a worker's.
    peaks, ended = [0.0], threading.Event()

    def sample(pid):
        while not ended.is_set():
            peaks.append(high_water(pid))
            if watch:
                watch(pid)
            ended.wait(0.02)

    started = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.STDOUT,
                               env=environment, cwd=cwd)
    sampler = threading.Thread(target=sample, args=(process.pid,), daemon=True)
    sampler.start()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    ended.set()
    sampler.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return Figures(wall, usage.ru_utime + usage.ru_stime, max(peaks))


def descendants(pid):
    """Returns the living descendants of a process; none if the kernel does not list them."""
    found = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as children:
                found += [int(child) for child in children.read().split()]
    except OSError:
        pass
    return found + [below for child in found for below in descendants(child)]


def resident(pids):
    """Returns the MiB of several processes now: the own memory of each, and the largest mapping of files, which may
    be shared."""
    own, mapped = 0, 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
                lines = dict(line.split(":", 1) for line in status if line.startswith("Rss"))
        except OSError:
            continue
        own += int(lines.get("RssAnon", "0 kB").split()[0])
        mapped = max(mapped, int(lines.get("RssFile", "0 kB").split()[0]))
    return (own + mapped) / 1024


def tree(command, environment, cwd):
    """Runs a command to its end. Returns the processor time of it and of all processes that it waits for, and the
    peak memory of all together, read every 50 ms, but at least that of the largest, which the operating system
    keeps."""
    launcher = pathlib.Path(__file__).with_name("launch.py")
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as output:
        result = pathlib.Path(folder) / "result.json"
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(launcher), str(result), *command],
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=cwd)
        peaks = [0.0]
        while True:
            try:
                process.wait(0.05)
                break
            except subprocess.TimeoutExpired:
                peaks.append(resident(descendants(process.pid)))
        if process.returncode:
            output.seek(0)
            raise SystemExit(f"{command} failed:\n{output.read().decode(errors='replace')[-4000:]}")
        figures = json.loads(result.read_text())
    return Figures(figures["wall"], figures["processor"], max(figures["peak"], *peaks))
