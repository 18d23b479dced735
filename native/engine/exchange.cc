#include "engine/exchange.h"

namespace overlane {

namespace {

// The configuration may have changed while the message was under way, so a place is named by what does not change:
// a port or lane by its index and the number of its attachment, and a tunnel by its VTEP.
Place place_of(const News& news, Dataplane& dataplane) {
  const Context& context = dataplane.context();
  if (news.space >= context.domains.size() || !context.domains[news.space].used) return kNowhere;
  if (is_tunnel(news.place)) return dataplane.tunnel_to(news.space, news.ip);
  if (news.place >= context.members.size()) return kNowhere;
  const Member& member = context.members[news.place];
  const bool here = member.bridge == context.domains[news.space].bridge && member.serial == news.ip.low;
  return here ? news.place : kNowhere;
}

void apply(const News& news, Dataplane& dataplane) {
  Context& context = dataplane.context();
  switch (news.kind) {
    case News::Kind::station: {
      const Place place = place_of(news, dataplane);
      if (place != kNowhere) context.fdb->hear(fdb_key(news.space, news.mac), place, context.tick);
      return;
    }
    case News::Kind::neighbor:
      if (news.space >= context.domains.size() || !context.domains[news.space].used) return;
      context.neighbors.learn(news.space, news.ip, news.mac);
      context.misses.forget(news.space, news.ip);
      return;
    case News::Kind::next_hop:
      return dataplane.set_learned_next_hop(news.space, news.ip, news.mac);
  }
}

}  // namespace

void Exchange::tell(Context& context) {
  if (context.news.list().empty()) return;
  for (News news : context.news.list()) {
    if (news.kind == News::Kind::station) {
      news.ip = is_tunnel(news.place) ? context.tunnels[tunnel_index(news.place)].vtep
                                      : IpAddress{0, context.members[news.place].serial};
    }
    for (NewsRing* ring : to_) ring->push(news);
  }
  context.news.clear();
}

void Exchange::hear(Dataplane& dataplane) {
  News news;
  for (NewsRing* ring : from_) {
    while (ring->pop(news)) apply(news, dataplane);
  }
}

}  // namespace overlane
