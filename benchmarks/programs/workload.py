"""What samplers are measured on: ``workload.py KIND``. Says ``ready`` when it stands, and ends with its input.

``idle`` is a process with one child, ``busy`` a process that computes and starts short children, ``children COUNT``
has that many, ``pages MIB`` holds that much memory in pages of 4 KiB.
"""

import ctypes
import mmap
import os
import select
import subprocess
import sys
import time

MADV_NOHUGEPAGE = 15
MIB = 1 << 20


def input_has_ended(wait_s):
    return bool(select.select([0], [], [], wait_s)[0])


def wait_for_end():
    while not input_has_ended(None):
        continue


def children(count):
    for _ in range(count):
        if os.fork() == 0:
            wait_for_end()
            os._exit(0)


def reap():
    """Thousands of zombies would be in the way of what is measured next."""
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


def busy():
    data, next_child_s = bytearray(64 * MIB), time.monotonic()
    while not input_has_ended(0):
        data[:] = os.urandom(1) * len(data)
        if time.monotonic() > next_child_s:
            subprocess.run(["/bin/true"])
            next_child_s = time.monotonic() + 0.1


def pages(mib):
    memory = mmap.mmap(-1, mib * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(MADV_NOHUGEPAGE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    ctypes.memset(start, 1, mib * MIB)
    return memory


kind = sys.argv[1]
held = pages(int(sys.argv[2])) if kind == "pages" else None
if kind in ("idle", "children"):
    children(int(sys.argv[2]) if kind == "children" else 1)
print("ready", flush=True)
if kind == "busy":
    busy()
else:
    wait_for_end()
reap()
os._exit(0)
