// udp_load: a UDP packet generator and its sink, for `overlane bench --live`. One program, because both know the
// payload:
//   udp_load send IP PORT [--size B] [--rate PPS|max] [--seconds S] [--flows N] [--gso]
//   udp_load receive PORT [--size B] [--wait-ms MS] [--idle-ms MS]
// Both print one JSON object. The sink prints "ready" first; it ends when nothing came for --idle-ms after the first
// packet, or when no packet came at all for --wait-ms. Exit status: 0 fine, 1 failed, 2 wrong usage.
#include "udp_load.h"

#include <arpa/inet.h>
#include <sys/prctl.h>

#include <charconv>
#include <string_view>

namespace overlane {
namespace {

[[noreturn]] void misused(std::string_view what) {
  fprintf(stderr, "udp_load: %.*s\n", int(what.size()), what.data());
  fprintf(stderr,
          "usage: udp_load send IP PORT [--size B] [--rate PPS|max] [--seconds S] [--flows N] [--gso]\n"
          "       udp_load receive PORT [--size B] [--wait-ms MS] [--idle-ms MS]\n");
  exit(2);
}

double number(std::string_view name, std::string_view text, double low, double high) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc{} && end == text.data() + text.size() && value >= low && value <= high) return value;
  fprintf(stderr, "udp_load: %.*s takes a number from %g to %g\n", int(name.size()), name.data(), low, high);
  exit(2);
}

Options parse(int count, char** words, bool sends) {
  Options o;
  int at = 0;
  if (sends && (at >= count || inet_pton(AF_INET, words[at++], &o.to) != 1)) misused("send needs an IPv4 address");
  if (at >= count) misused("which port?");
  o.port = uint16_t(number("PORT", words[at++], 1, 65535));
  while (at < count) {
    const std::string_view name = words[at++];
    if (sends && name == "--gso") {
      o.gso = true;
      continue;
    }
    if (at >= count) misused("an option lacks its value, or is unknown");
    const std::string_view value = words[at++];
    if (name == "--size")
      o.payload = size_t(number(name, value, kMinPayload + kOverhead, kMaxPayload + kOverhead)) - kOverhead;
    else if (sends && name == "--rate")
      o.rate = value == "max" ? 0 : number(name, value, 1, 1e9);
    else if (sends && name == "--seconds")
      o.seconds = number(name, value, 0.001, 3600);
    else if (sends && name == "--flows")
      o.flows = size_t(number(name, value, 1, kMaxFlows));
    else if (!sends && name == "--wait-ms")
      o.wait_ms = int(number(name, value, 1, 60000));
    else if (!sends && name == "--idle-ms")
      o.idle_ms = int(number(name, value, 1, 60000));
    else
      misused("unknown option");
  }
  return o;
}

}  // namespace
}  // namespace overlane

int main(int argc, char** argv) {
  using namespace overlane;
  const std::string_view verb = argc > 1 ? argv[1] : "";
  if (verb != "send" && verb != "receive") misused("the first word is send or receive");
  const Options options = parse(argc - 2, argv + 2, verb == "send");
  prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
  if (verb == "send")
    send_load(options);
  else
    receive_load(options);
  return 0;
}
