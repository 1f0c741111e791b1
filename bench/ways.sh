#!/usr/bin/env bash
# What ways of waiting, reading, writing and accepting cost by themselves (server_ways.cpp): for docs/PERFORMANCE.md.
#
#   bench/ways.sh        prints markdown
#
# Each way answers with the same 1,000 bytes; ROUNDS (7) rounds of each, interleaved, the CPU time by the kernel's account.
# One thread on CPU 0 for the ways to wait, read and write, CPUs 0 and 1 for the ways to accept; the load on CPU 1. Needs the
# release build with benchmarks. Everything stays on 127.0.0.1, is bounded in count, and is ended by its process id.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${ROUNDS:-7} build=${BUILD:-build/release} port=29391
work=$(mktemp -d)
pids=()
stop() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
}
trap 'stop; rm -rf "$work"' EXIT
printf 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n%s' \
  "$(head -c 1000 /dev/zero | tr '\0' x)" >"$work/response"

start() { # CPUS MODE...
  local cpus=$1
  shift
  servers=()
  for mode in "$@"; do
    taskset -c "$cpus" "$build/bench_server_ways" "$mode" $port "$work/response" >"$work/$mode" & pids+=($!)
    servers+=("$mode:$port:$!")
    port=$((port + 1))
  done
  sleep 0.5 # they only have to listen
}
load() { taskset -c 1 "$build/bench_hit_load" "$@"; }

start 0 edge level asio asio_composed
load "$rounds" 60000 32 / "${servers[@]}"
echo
start 0,1 one_acceptor reuse_port
load --new-connections "$rounds" 8000 32 / "${servers[@]}"
stop
echo
for mode in one_acceptor reuse_port; do echo "$mode: $(cat "$work/$mode")"; done
