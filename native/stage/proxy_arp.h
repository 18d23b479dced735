// proxy_arp: answers ARP requests and neighbor solicitations for known neighbors in place, so that they never cross
// the underlay; raises a miss for unknown ones; optionally learns neighbors from what passes by (snooping).
#pragma once

#include "stage/context.h"

namespace overlane {

// Parsed packets with domain and source place. Those answered or refused are taken out of the burst.
void proxy_arp(Burst& burst, Context& context);

namespace proxy_detail {

enum class Verdict : uint8_t { pass, answered, unknown };

// The neighbor's MAC, if it is to be answered for: known, not the asker, and not on the asker's own port.
Mac answer_for(const Packet& packet, IpAddress target, Mac asker, Context& context, bool& known);
void snoop(const Packet& packet, IpAddress ip, Mac mac, Context& context);

// ARP (RFC 826), whole by parse. An answer is written over the request.
Verdict handle_arp(Packet& packet, const Domain& domain, Context& context);
// Neighbor discovery (RFC 4861); anything else in ICMPv6 passes.
Verdict handle_nd(Packet& packet, const Domain& domain, Context& context);

// Writes the answer "that is at `mac`" over a request.
void reply_arp(Packet& packet, Mac mac);
// The same over a solicitation; extension headers, if any, are gone.
void reply_nd(Packet& packet, Mac mac);
// Whether it is a whole and valid neighbor solicitation (RFC 4861, section 7.1.1).
bool is_solicitation(const Packet& packet);

}  // namespace proxy_detail

}  // namespace overlane
