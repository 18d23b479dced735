"""tagged.py send VLAN COUNT MAC | receive VLAN COUNT: frames with an 802.1Q tag on eth0; prints how many arrived intact."""
import socket
import struct
import sys
import time

EXPERIMENTAL = 0x88B5  # IEEE 802, for local experiments
SOL_PACKET, PACKET_AUXDATA, TP_STATUS_VLAN_VALID = 263, 8, 1 << 4
PRIORITY = 5


def payload(number):
    return struct.pack("!I", number) + bytes((number * 7 + i) & 255 for i in range(40 + number * 60))


def send(vlan, count, mac):
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    raw.bind(("eth0", 0))
    with open("/sys/class/net/eth0/address") as file:
        own = bytes.fromhex(file.read().strip().replace(":", ""))
    header = bytes.fromhex(mac.replace(":", "")) + own + struct.pack("!HHH", 0x8100, PRIORITY << 13 | vlan, EXPERIMENTAL)
    for number in range(count):
        raw.send(header + payload(number))


def untagged(raw):
    """Tag and frame; the kernel hands the tag over beside the frame."""
    frame, extra, _, _ = raw.recvmsg(65536, 256)
    for level, kind, data in extra:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status, _, _, _, _, tag, _ = struct.unpack("=IIIHHHH", data[:20])
            if status & TP_STATUS_VLAN_VALID:
                return tag, frame
    if frame[12:14] == b"\x81\x00":
        return struct.unpack("!H", frame[14:16])[0], frame[:12] + frame[16:]
    return None, frame


def receive(vlan, count):
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    raw.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    raw.bind(("eth0", 3))
    print("ready", flush=True)
    found, late = set(), time.monotonic() + 3
    while len(found) < count and time.monotonic() < late:
        raw.settimeout(max(0.01, late - time.monotonic()))
        try:
            tag, frame = untagged(raw)
        except TimeoutError:
            break
        if frame[12:14] != struct.pack("!H", EXPERIMENTAL) or tag != PRIORITY << 13 | vlan:
            continue
        number = struct.unpack("!I", frame[14:18])[0]
        if frame[14:] == payload(number):
            found.add(number)
    print(len(found))


if sys.argv[1] == "send":
    send(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
else:
    receive(int(sys.argv[2]), int(sys.argv[3]))
