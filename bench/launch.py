"""Runs one command to its end and writes its time and memory, as JSON, to the file that the first argument names.

A process begins with the peak memory of the one that forks it, so this one imports next to nothing: `python3 -I -S`.
"""

import os
import posix
import sys
import time

result, *command = sys.argv[1:]
started = time.perf_counter()
try:
    pid = os.posix_spawnp(command[0], command, posix.environ)
except OSError as error:
    sys.exit(f"{command[0]}: {error}")
_, status, usage = os.wait4(pid, 0)
wall = time.perf_counter() - started
with open(result, "w", encoding="ascii") as file:
    file.write(f'{{"wall": {wall}, "processor": {usage.ru_utime + usage.ru_stime}, "peak": {usage.ru_maxrss / 1024}}}')
sys.exit(os.waitstatus_to_exitcode(status) and 1)
