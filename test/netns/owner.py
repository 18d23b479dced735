"""owner.py INTERFACE MAC VLAN (0: untagged) IP...: answers for these addresses, as scapy writes ARP and ND; prints what it was asked."""
import sys

from scapy.all import ARP, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, Dot1Q, Ether, IPv6, conf, sniff

name, mac, vlan, addresses = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]
out = conf.L2socket(iface=name)


def take(frame):
    tag = frame[Dot1Q].vlan if Dot1Q in frame else 0
    below = Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / Dot1Q(vlan=vlan) if vlan else Ether(src=mac, dst=frame.src)
    if ARP in frame and frame[ARP].op == 1:
        asked = frame[ARP]
        print("arp", tag, asked.psrc, asked.hwsrc, asked.pdst, flush=True)
        answer = ARP(op=2, hwsrc=mac, psrc=asked.pdst, hwdst=asked.hwsrc, pdst=asked.psrc)
        target = asked.pdst
    elif ICMPv6ND_NS in frame and frame[IPv6].src == "::":
        target = frame[ICMPv6ND_NS].tgt
        print("nd", tag, frame[IPv6].dst, frame.dst, target, frame[IPv6].hlim, flush=True)
        below.dst = "33:33:00:00:00:01"
        answer = IPv6(src="fe80::7", dst="ff02::1", hlim=255) / ICMPv6ND_NA(R=0, S=0, tgt=target)
        answer /= ICMPv6NDOptDstLLAddr(lladdr=mac)
    else:
        return
    if target in addresses and tag == vlan:
        out.send(below / answer)


sniff(iface=name, prn=take, store=False, timeout=30, started_callback=lambda: print("ready", flush=True))
