"""inject.py frames INTERFACE CAPTURE | datagram ADDRESS PORT HEX: what an attacker sends; prints how many packets it sent.

`frames` puts the frames of a pcap on a wire as they are, 64 a millisecond; `datagram` needs no privileges.
"""
import socket
import struct
import sys
import time


def frames(interface, capture):
    with open(capture, "rb") as file:
        data = file.read()
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    wire.bind((interface, 0))
    count, at = 0, 24
    while at + 16 <= len(data):
        (length,) = struct.unpack_from("<I", data, at + 8)
        wire.send(data[at + 16 : at + 16 + length])
        at += 16 + length
        count += 1
        if count % 64 == 0:
            time.sleep(0.001)
    return count


def datagram(address, port, text):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    socket.socket(family, socket.SOCK_DGRAM).sendto(bytes.fromhex(text), (address, int(port)))
    return 1


print({"frames": frames, "datagram": datagram}[sys.argv[1]](*sys.argv[2:]))
