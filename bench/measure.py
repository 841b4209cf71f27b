"""Wall time, processor time and peak memory of one process, by the operating system's accounting."""

import os
import subprocess
import threading
import time
from dataclasses import dataclass


@dataclass
class Figures:
    """What one process took."""

    wall: float
    """Seconds."""
    processor: float
    """Seconds on all cores together."""
    peak: float
    """MiB of memory at most; of its own, without what the process that started it had."""


def high_water(pid):
    """Peak MiB of a living process; 0 when it has none any more."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            lines = dict(line.split(":", 1) for line in status if ":" in line)
    except OSError:
        return 0.0
    return int(lines.get("VmHWM", "0 kB").split()[0]) / 1024


def spent(pid):
    """Processor seconds that a living process has taken so far, without those of its children."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        # The name before may hold blanks; then state is the first, and `utime` and `stime` are 12th and 13th.
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(command, environment, cwd=None, stdout=subprocess.DEVNULL):
    """Runs a command with this environment alone to its end."""
    # Not `ru_maxrss`: that starts with the memory of the process that forks, which is larger than a worker's.
    peaks, ended = [0.0], threading.Event()

    def sample(pid):
        while not ended.is_set():
            peaks.append(high_water(pid))
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
