#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A network between namespaces in which every frame takes its time.

    slow_switch.py SECONDS NAMESPACE...

Each namespace gets the interface 'slow' with the address 10.92.0.1, 10.92.0.2, ... in their order.
Frames reach all others after SECONDS.  Needs root, and runs until it is killed.
"""

import ctypes
import fcntl
import heapq
import os
import select
import struct
import subprocess
import sys
import time

SET_INTERFACE = 0x400454CA  # TUNSETIFF
FRAMES = 0x0002 | 0x1000  # IFF_TAP, and IFF_NO_PI: nothing before a frame
NETWORK_NAMESPACE = 0x40000000  # CLONE_NEWNET
LONGEST = 65536  # bytes of a frame


def open_interface(namespace: str) -> int:
    """A new interface of the namespace; reading it gives what is sent there."""
    library = ctypes.CDLL(None, use_errno=True)
    with open("/proc/self/ns/net") as own, open(f"/run/netns/{namespace}") as other:
        if library.setns(other.fileno(), NETWORK_NAMESPACE) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
        interface = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(interface, SET_INTERFACE, struct.pack("16sH", b"slow", FRAMES))
        library.setns(own.fileno(), NETWORK_NAMESPACE)
    return interface


def set_up(namespace: str, address: str) -> None:
    for words in (f"address add {address}/24 dev slow", "link set slow up"):
        subprocess.run(["ip", "-n", namespace, *words.split()], check=True)


def pass_on(interfaces: list[int], delay: float) -> None:
    waiting: list[tuple[float, int, int, bytes]] = []  # due, order, receiver, frame
    order = 0
    while True:
        pause = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        for source in select.select(interfaces, [], [], pause)[0]:
            frame = os.read(source, LONGEST)
            due = time.monotonic() + delay
            for receiver in interfaces:
                if receiver != source:
                    heapq.heappush(waiting, (due, order, receiver, frame))
                    order += 1
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, receiver, frame = heapq.heappop(waiting)
            os.write(receiver, frame)


def main() -> None:
    delay, namespaces = float(sys.argv[1]), sys.argv[2:]
    interfaces = [open_interface(namespace) for namespace in namespaces]
    for number, namespace in enumerate(namespaces, 1):
        set_up(namespace, f"10.92.0.{number}")
    pass_on(interfaces, delay)


if __name__ == "__main__":
    main()
