"""transfer.py send HOST PORT MEBIBYTES | receive PORT: a TCP stream; either end prints its length and SHA-256."""
import errno
import hashlib
import json
import os
import socket
import sys
import time

BLOCK = 1 << 20


def blocks(count):
    """Random, numbered and rotated, so that nothing stands where something else could without being noticed."""
    base = os.urandom(BLOCK)
    for i in range(count):
        cut = i * 7919 % BLOCK
        yield (i.to_bytes(8, "big") + base[cut:] + base[:cut])[:BLOCK]


def report(hashed, size, started):
    print(json.dumps({"bytes": size, "sha256": hashed.hexdigest(), "seconds": time.monotonic() - started}))


def connect(host, port):
    """The link may just be down, on purpose."""
    for _ in range(50):
        try:
            return socket.create_connection((host, port), timeout=60)
        except OSError as error:
            if error.errno not in (errno.ENETUNREACH, errno.EHOSTUNREACH):
                raise
            time.sleep(0.1)
    raise SystemExit(f"no way to {host} for 5 seconds")


def send(host, port, count):
    hashed, started = hashlib.sha256(), time.monotonic()
    with connect(host, port) as stream:
        for block in blocks(count):
            stream.sendall(block)
            hashed.update(block)
        stream.shutdown(socket.SHUT_WR)
        stream.recv(1)  # the other end has read everything
    report(hashed, count * BLOCK, started)


def receive(port):
    listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    listener.settimeout(60)
    print("ready", flush=True)
    stream, _ = listener.accept()
    hashed, size, started = hashlib.sha256(), 0, time.monotonic()
    stream.settimeout(60)
    with stream:
        while piece := stream.recv(BLOCK):
            hashed.update(piece)
            size += len(piece)
    report(hashed, size, started)


if sys.argv[1] == "send":
    send(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
else:
    receive(int(sys.argv[2]))
