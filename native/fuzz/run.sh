#!/bin/sh
# fuzz/run.sh SECONDS FUZZER…: runs each fuzzer for so long, one after the other, starting from the captures at hand
# ($OVERLANE_CAPTURES, or shared/captures beside the checkout, and the repository's own).
set -eu
seconds=$1
shift
captures=${OVERLANE_CAPTURES:-../../shared/captures}
build/seed build/corpus ../test/vectors/docker-swarm "$captures/docker-swarm" "$captures/tcpdump"
mkdir -p build/findings
for fuzzer in "$@"; do
  corpus=build/corpus/$fuzzer
  mkdir -p "$corpus"
  echo "== $fuzzer for $seconds s"
  build/"$fuzzer" -max_total_time="$seconds" -rss_limit_mb=2048 -max_len=4096 -print_final_stats=1 \
    -artifact_prefix=build/findings/ "$corpus" 2>build/"$fuzzer".log || { tail -40 build/"$fuzzer".log; exit 1; }
  grep -E 'stat::(number_of_executed_units|average_exec_per_sec)|DONE' build/"$fuzzer".log
done
