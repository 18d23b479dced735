#include <random>
#include <unordered_map>

#include "table/fdb.h"
#include "table/flat_map.h"
#include "table/neighbor.h"
#include "test/check.h"

using namespace overlane;

namespace {

struct Table {
  explicit Table(FdbKind kind, uint32_t entries = 4096, uint32_t limit = 4096, uint32_t ports = 3)
      : fdb(make_fdb(kind, entries, 99)) {
    fdb->set_bridge(0, limit);
    fdb->set_domain(1, 0, 100);
    for (uint32_t port = 0; port < ports; ++port) fdb->set_place(port, 0, limit);
  }
  bool learn(Mac mac, Place from, Tick now = 0) {
    const FdbKey key = fdb_key(1, mac);
    const uint8_t learns = 1;
    uint8_t conflict = 0;
    uint32_t at;
    fdb->locate(&key, 1, &at);
    fdb->learn(&key, &at, &from, &learns, 1, now, &conflict, row);
    return conflict == 0;
  }
  Place find(Mac mac, Tick now = 0) { return fdb->look_up(fdb_key(1, mac), now); }
  std::unique_ptr<Fdb> fdb;
  CounterRow row;
};

constexpr FdbKind kKinds[] = {FdbKind::bucket, FdbKind::map};

}  // namespace

TEST("fdb: learns, moves, ages, forgets") {
  for (FdbKind kind : kKinds) {
    Table t(kind);
    CHECK_EQ(t.find(2), kNowhere);
    t.learn(2, 1, 10);
    CHECK_EQ(t.find(2, 10), 1u);
    t.learn(2, 2, 20);
    CHECK_EQ(t.find(2, 20), 2u);
    CHECK_EQ(t.row.get(Counter::fdb_moved), 1u);
    CHECK_EQ(t.find(2, 120), 2u);
    CHECK_EQ(t.find(2, 121), kNowhere);  // expired, whether the sweep came by or not
    t.fdb->age(121, 1 << 16, t.row);
    CHECK_EQ(t.fdb->size(), 0u);
    CHECK_EQ(t.row.get(Counter::fdb_aged), 1u);
  }
}

TEST("fdb: static entries do not move, age, or count") {
  for (FdbKind kind : kKinds) {
    Table t(kind, 4096, 1);
    CHECK(t.fdb->set_static(fdb_key(1, 2), 1));
    CHECK(t.learn(2, 1));
    CHECK(!t.learn(2, 0));
    CHECK_EQ(t.find(2, 1'000'000), 1u);
    t.learn(4, 0);
    CHECK_EQ(t.find(4), 0u);
    CHECK(t.fdb->erase(fdb_key(1, 2)));
    CHECK_EQ(t.find(2), kNowhere);
  }
}

TEST("fdb: domains are apart") {
  Table t(FdbKind::bucket);
  t.fdb->set_domain(2, 0, 100);
  t.learn(2, 1);
  CHECK_EQ(t.fdb->look_up(fdb_key(2, 2), 0), kNowhere);
}

TEST("fdb: a flood from one port leaves the others' entries and their right to learn") {
  for (FdbKind kind : kKinds) {
    Table t(kind, 4096, 300);
    for (Mac mac = 2; mac <= 100; mac += 2) t.learn(mac, 1);  // 50 stations, below the fair share of 100
    for (Mac mac = 0x10000; mac < 0x10000 + 20000; mac += 2) t.learn(mac, 0);
    CHECK_EQ(t.fdb->size(), 300u);
    for (Mac mac = 2; mac <= 100; mac += 2) CHECK_EQ(t.find(mac), 1u);
    for (Mac mac = 0x20002; mac <= 0x20002 + 60; mac += 2) {
      t.learn(mac, 2);
      CHECK_EQ(t.find(mac), 2u);
    }
    CHECK_EQ(t.fdb->size(), 300u);
    CHECK_EQ(t.row.get(Counter::fdb_evicted), 31u);
    CHECK(t.row.get(Counter::fdb_refused_bridge) > 9000u);
  }
}

TEST("fdb: in a large table with a small limit a quiet port still learns at once") {
  for (FdbKind kind : kKinds) {
    Table t(kind, 131072, 30);
    t.learn(2, 1);
    for (Mac mac = 0x10000; mac < 0x10000 + 1000; mac += 2) t.learn(mac, 0);
    t.learn(4, 2);
    CHECK_EQ(t.find(4), 2u);
    CHECK_EQ(t.find(2), 1u);
    CHECK_EQ(t.fdb->size(), 30u);
  }
}

TEST("fdb: a port's limit, and removing its place") {
  Table t(FdbKind::bucket);
  t.fdb->set_place(0, 0, 5);
  for (Mac mac = 2; mac < 40; mac += 2) t.learn(mac, 0);
  CHECK_EQ(t.fdb->size(), 5u);
  CHECK_EQ(t.row.get(Counter::fdb_refused_port), 14u);
  t.learn(100, 1);
  t.fdb->remove_place(0);
  CHECK_EQ(t.fdb->size(), 1u);
  CHECK_EQ(t.find(100), 1u);
}

TEST("fdb: a million MACs stay inside the stated memory, and the others' entries survive") {
  Table t(FdbKind::bucket, 65536, 65536);
  const size_t bytes = t.fdb->bytes();
  CHECK_EQ(bytes, 65536u * 32);
  for (Mac mac = 2; mac < 2002; mac += 2) t.learn(mac, 1);
  std::mt19937_64 random(5);
  for (int i = 0; i < 1'000'000; ++i) t.learn((random() & kMacMask & ~Mac{1}) | 0x800000000000, 0);
  CHECK(t.fdb->size() <= 65536u);
  CHECK_EQ(t.fdb->bytes(), bytes);
  for (Mac mac = 2; mac < 2002; mac += 2) CHECK_EQ(t.find(mac), 1u);
}

TEST("fdb: a table fills to its last entry") {
  for (uint32_t entries : {1u, 100u, 1000u, 4096u, 131072u}) {
    Table t(FdbKind::bucket, entries, entries);
    for (Mac i = 1; i <= entries; ++i) t.learn(i * 2, 1);
    CHECK_EQ(t.fdb->size(), entries);
    CHECK_EQ(t.row.get(Counter::fdb_refused_table), 0u);
    for (Mac i = 1; i <= entries; ++i) CHECK_EQ(t.find(i * 2), 1u);
  }
}

TEST("fdb: buckets and the reference map agree over a random history") {
  Table a(FdbKind::bucket);
  Table b(FdbKind::map);
  std::mt19937 random(3);
  Tick now = 0;
  for (int i = 0; i < 200'000; ++i) {
    const Mac mac = (random() % 700 + 1) * 2;
    const Place place = random() % 3;
    if (random() % 50 == 0) now += random() % 40;
    switch (random() % 8) {
      case 0: {
        const bool erased = a.fdb->erase(fdb_key(1, mac));
        const bool also = b.fdb->erase(fdb_key(1, mac));
        if (a.find(mac, now) != kNowhere) CHECK_EQ(erased, also);
        break;
      }
      case 1:
        if (random() % 20 == 0) {
          CHECK(a.fdb->set_static(fdb_key(1, mac), place));
          CHECK(b.fdb->set_static(fdb_key(1, mac), place));
        }
        break;
      default:
        CHECK_EQ(a.learn(mac, place, now), b.learn(mac, place, now));
    }
    CHECK_EQ(a.find(mac, now), b.find(mac, now));
  }
}

namespace {
struct Key {
  uint32_t id;
  bool operator==(const Key&) const = default;
  uint64_t hash(uint64_t seed) const { return hash64(id % 7, seed); }  // collisions on purpose
};
}  // namespace

TEST("flat_map: agrees with the standard map over a random history, collisions and deletions included") {
  FlatMap<Key, int> map(200, 1);
  std::unordered_map<uint32_t, int> reference;
  std::mt19937 random(4);
  for (int i = 0; i < 100'000; ++i) {
    const uint32_t id = random() % 300;
    if (random() % 3 == 0) {
      CHECK_EQ(map.erase({id}), reference.erase(id) == 1);
    } else if (int* value = map.insert({id})) {
      *value = i;
      reference[id] = i;
    } else {
      CHECK_EQ(reference.size(), 200u);
      CHECK(!reference.contains(id));
    }
    const int* found = map.find({id});
    CHECK_EQ(found != nullptr, reference.contains(id));
    if (found != nullptr) CHECK_EQ(*found, reference[id]);
    CHECK_EQ(map.size(), reference.size());
  }
}

TEST("flat_map: put makes room where insert has none, and keeps what was there") {
  FlatMap<Key, uint32_t> map(3, 1);
  for (uint32_t i = 0; i < 100; ++i) map.put({i}, i);
  for (uint32_t i = 0; i < 100; i += 2) map.put({i}, i + 1000);
  CHECK_EQ(map.size(), 100u);
  for (uint32_t i = 0; i < 100; ++i) CHECK_EQ(*map.find({i}), i % 2 == 0 ? i + 1000 : i);
  while (map.size() < map.capacity()) CHECK(map.insert({static_cast<uint32_t>(map.size())}) != nullptr);
  CHECK(map.insert({9999}) == nullptr);
}

TEST("neighbor: snooping never replaces what the control plane set, and the table is bounded") {
  NeighborTable table(2, 1);
  const uint8_t ip[3][4] = {{10, 0, 0, 1}, {10, 0, 0, 2}, {10, 0, 0, 3}};
  CHECK(table.set(1, IpAddress::v4(ip[0]), 2));
  CHECK_EQ(table.learn(1, IpAddress::v4(ip[0]), 4), NeighborTable::Learned::kept);
  CHECK_EQ(table.find(1, IpAddress::v4(ip[0]))->mac, 2u);
  CHECK_EQ(table.learn(1, IpAddress::v4(ip[1]), 4), NeighborTable::Learned::changed);
  CHECK_EQ(table.learn(1, IpAddress::v4(ip[2]), 4), NeighborTable::Learned::refused);
  CHECK(table.find(2, IpAddress::v4(ip[0])) == nullptr);
}

TEST("neighbor: one miss for an address until it is quiet no more, and a bounded queue") {
  MissQueue queue(1);
  uint8_t ip[4] = {10, 0, 0, 1};
  CHECK_EQ(queue.raise({IpAddress::v4(ip), 1, 0, 0}), MissQueue::Raised::queued);
  CHECK_EQ(queue.raise({IpAddress::v4(ip), 1, 0, 1'000'000'000}), MissQueue::Raised::quiet);
  CHECK_EQ(queue.raise({IpAddress::v4(ip), 1, 0, MissQueue::kQuiet}), MissQueue::Raised::queued);
  CHECK_EQ(queue.take().size(), 2u);
  size_t lost = 0;
  for (int i = 0; i < 20000; ++i) {
    ip[2] = static_cast<uint8_t>(i >> 8);
    ip[3] = static_cast<uint8_t>(i);
    lost += queue.raise({IpAddress::v4(ip), 2, 0, 0}) == MissQueue::Raised::lost;
  }
  CHECK_EQ(queue.take().size(), MissQueue::kQueue);
  CHECK(lost > 0);
}
