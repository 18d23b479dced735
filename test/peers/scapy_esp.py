"""scapy as the other end of ESP with AES-GCM; keys are derived here anew, with python's cryptography.

    scapy_esp.py open KEYS.json CAPTURE [PLAIN.pcap]   one JSON object a packet: number, spi, sequence, opened, reason or inner (hex)
    scapy_esp.py seal KEYS.json PLAIN.pcap SEALED.pcap  every IP packet becomes ESP by the first key for its addresses
    scapy_esp.py derive KEYS.json                      the list with spi, key, salt and iv_mask filled in

KEYS.json is a list; each entry has source and destination (absent: any) and one of
  {"spi": 4096, "key": hex, "salt": hex, "icv": 8 or 16, "esn": true or false}
  {"profile": "docker", "secret": hex, "tag": 1234}
  {"profile": "strong", "secret": hex, "epoch": 0, "key_bits": 128, "spi": needed by seal and derive; absent: by the hint}
and, to seal: "sequence" (64 bits; default 1) and "iv" (64 bits, a string; default 1), which go up by one a packet, and "udp": [source
port, destination port] for ESP in UDP. An "epoch" is that many steps of the ratchet from the secret. ESN: high halves 0 and 1 are tried.
"""
import ipaddress
import json
import logging
import struct
import sys

logging.getLogger("scapy").setLevel(logging.ERROR)
from cryptography.hazmat.primitives.ciphers import algorithms, modes  # noqa: E402
from cryptography.hazmat.primitives.hashes import SHA256  # noqa: E402
from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: E402
from scapy.layers import ipsec  # noqa: E402
from scapy.layers.inet import IP, UDP  # noqa: E402
from scapy.layers.inet6 import IPv6  # noqa: E402
from scapy.layers.l2 import Ether  # noqa: E402
from scapy.utils import PcapReader, PcapWriter  # noqa: E402

# scapy's own AES-GCM takes ICVs of 16 bytes only; in its interface of cipher and mode, the ICV is as long as one says.
ipsec.CRYPT_ALGOS["AES-GCM-8"] = ipsec.CryptAlgo(
    "AES-GCM-8", cipher=algorithms.AES, mode=modes.GCM, key_size=(16, 32), salt_size=4, block_size=1, iv_size=8, icv_size=8,
    format_mode_iv=lambda sa, iv, **_: sa.crypt_salt + iv)


def hkdf(secret, label, info, length):
    return HKDF(algorithm=SHA256(), length=length, salt=label, info=info).derive(secret)


def sixteen(address):
    address = ipaddress.ip_address(address)
    return address.packed if address.version == 6 else bytes(10) + b"\xff\xff" + address.packed


def docker_spi(source, destination, tag):
    value = 0x811C9DC5
    for byte in sixteen(source) + struct.pack("!I", tag) + sixteen(destination):
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value


def epoch_secret(entry):
    secret = bytes.fromhex(entry["secret"])
    for _ in range(entry.get("epoch", 0)):
        secret = hkdf(secret, b"overlane ratchet 1", b"", 32)
    return secret


def fill_in(entry, source, destination, spi=None):
    """The entry as an SA of these ends and, where it has none of its own, this SPI; None when it cannot be."""
    sa = dict(entry, source=source, destination=destination)
    if entry.get("profile") == "docker":
        sa["spi"] = docker_spi(source, destination, entry["tag"])
        sa.update(key=entry["secret"], salt=struct.pack("!I", sa["spi"]).hex(), icv=8, esn=False)
    elif entry.get("profile") == "strong":
        sa.setdefault("spi", spi)
        secret, ends = epoch_secret(entry), sixteen(source) + sixteen(destination)
        if sa["spi"] >> 24 != hkdf(secret, b"overlane esp hint 1", ends, 1)[0]:
            return None
        bits = entry.get("key_bits", 128)
        info = ends + struct.pack("!IH", sa["spi"], bits)
        material = hkdf(secret, b"overlane esp strong 1", info, bits // 8 + 12)
        key, salt, mask = material[: bits // 8], material[bits // 8 : -8], material[-8:]
        sa.update(key=key.hex(), salt=salt.hex(), iv_mask=str(int.from_bytes(mask, "big")), icv=16, esn=True)
    return sa if spi is None or sa["spi"] == spi else None


def association(sa, **more):
    return ipsec.SecurityAssociation(
        ipsec.ESP, spi=sa["spi"], crypt_algo="AES-GCM" if sa["icv"] == 16 else "AES-GCM-8",
        crypt_key=bytes.fromhex(sa["key"] + sa["salt"]), esn_en=sa["esn"], **more)


def for_ends(entries, source, destination):
    for entry in entries:
        if entry.get("source", source) == source and entry.get("destination", destination) == destination:
            yield entry


def ip_of(packet):
    return packet.getlayer(IP) or packet.getlayer(IPv6)


def without_carrier(ip):
    """IP with ESP right behind it: scapy cannot take UDP away from between IPv6 and ESP."""
    bare = ip.__class__(bytes(ip))
    esp = bytes(ip[ipsec.ESP])
    bare.remove_payload()
    if bare.version == 4:
        bare.proto, bare.len, bare.chksum = 50, None, None
    else:
        bare.nh, bare.plen = 50, None
    return bare.__class__(bytes(bare / ipsec.ESP(esp)))


def open_packet(entries, ip):
    """(inner packet, sequence) or (None, reason)."""
    esp, reason = ip[ipsec.ESP], "spi"
    for entry in for_ends(entries, ip.src, ip.dst):
        sa = fill_in(entry, ip.src, ip.dst, esp.spi)
        if sa is None:
            continue
        reason = "icv"
        for high in [0, 1] if sa["esn"] else [0]:
            try:
                return association(sa, esn=high).decrypt(without_carrier(ip)), high << 32 | esp.seq
            except ipsec.IPSecIntegrityError:
                pass
    return None, reason


def open_all(entries, capture, plain=None):
    writer = PcapWriter(plain, linktype=1) if plain else None
    for number, packet in enumerate(PcapReader(capture), 1):
        ip = ip_of(packet)
        if ip is None or not ip.haslayer(ipsec.ESP):
            continue
        row = {"number": number, "spi": ip[ipsec.ESP].spi, "source": ip.src, "destination": ip.dst}
        inner, result = open_packet(entries, ip)
        if inner is None:
            print(json.dumps({**row, "opened": False, "reason": result}))
            continue
        print(json.dumps({**row, "opened": True, "sequence": str(result), "inner": bytes(inner.payload).hex()}))
        if writer:
            writer.write(Ether(src=packet.src, dst=packet.dst) / inner)


def seal_all(entries, plain, sealed):
    writer = PcapWriter(sealed, linktype=1)
    states = {}
    for packet in PcapReader(plain):
        ip = ip_of(packet)
        entry = next(for_ends(entries, ip.src, ip.dst))
        sa = states.get(id(entry)) or states.setdefault(id(entry), fill_in(entry, ip.src, ip.dst))
        sequence, iv = int(sa.setdefault("sequence", 1)), int(sa.setdefault("iv", 1))
        header = UDP(sport=sa["udp"][0], dport=sa["udp"][1]) if sa.get("udp") else None
        # Not by encrypt(seq_num=…), which takes 0 for none given.
        sealer = association(sa, nat_t_header=header, esn=sequence >> 32, seq_num=sequence & 0xFFFFFFFF)
        out = sealer.encrypt(ip, iv=struct.pack("!Q", iv & 0xFFFFFFFFFFFFFFFF))
        sa.update(sequence=sequence + 1, iv=iv + 1)
        writer.write(Ether(src=packet.src, dst=packet.dst) / out)
    writer.close()


command, keys, *files = sys.argv[1:]
with open(keys) as file:
    ENTRIES = json.load(file)
if command == "open":
    open_all(ENTRIES, *files)
elif command == "seal":
    seal_all(ENTRIES, *files)
else:
    print(json.dumps([fill_in(entry, entry["source"], entry["destination"], entry.get("spi")) for entry in ENTRIES]))
