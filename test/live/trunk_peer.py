"""trunk_peer.py DEVICE (VLAN TARGET)…: scapy asks for each TARGET by ARP and pings it, with a tag; prints what came back."""
import json
import sys

from scapy.all import ARP, ICMP, IP, Dot1Q, Ether, conf, get_if_hwaddr, srp1

conf.verb = 0
DATA = b"overlane" * 100


def question(device, mac, vlan, target):
    own = target.rsplit(".", 1)[0] + ".99"

    def ask(to, payload):
        return srp1(Ether(src=mac, dst=to) / Dot1Q(vlan=vlan) / payload, iface=device, timeout=1)

    answer = ask("ff:ff:ff:ff:ff:ff", ARP(op=1, hwsrc=mac, psrc=own, pdst=target))
    if answer is None:
        return {"mac": None}
    echo = ask(answer[ARP].hwsrc, IP(src=own, dst=target) / ICMP(id=7, seq=9) / DATA)
    return {
        "mac": answer[ARP].hwsrc,
        "vlans": [packet[Dot1Q].vlan if packet is not None and Dot1Q in packet else None for packet in (answer, echo)],
        "echo": echo is not None and echo[ICMP].type == 0 and bytes(echo[ICMP].payload) == DATA,
    }


device, asked = sys.argv[1], sys.argv[2:]
mac = get_if_hwaddr(device)
print(json.dumps([question(device, mac, int(vlan), target) for vlan, target in zip(asked[::2], asked[1::2])]))
