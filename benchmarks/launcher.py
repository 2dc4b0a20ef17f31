"""Run a command, and write what it took to standard output as JSON. Small, as its own memory counts as the command's.

    python -I -S launcher.py LOG COMMAND…

On Linux, the peak of a process includes what its parent had when it was started.
"""

import json
import os
import subprocess
import sys
import time

with open(sys.argv[1], "wb") as log:
    begun = time.perf_counter()
    process = subprocess.Popen(sys.argv[2:], stdout=log, stderr=log)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begun
cost = {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "memory": usage.ru_maxrss * 1024}
cost["switches"] = usage.ru_nvcsw + usage.ru_nivcsw
sys.stdout.write(json.dumps({**cost, "code": os.waitstatus_to_exitcode(status)}))
