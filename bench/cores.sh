#!/usr/bin/env bash
# What a hit of 1 kB costs two threads at half load, beside one thread.
#
#   bench/cores.sh        prints markdown
#
# One server with one worker on CPU 0, and one with two workers on CPUs 0 and 1; the load on CPU 1. First what one worker
# reaches, then requests at half of that rate, however long those before take: ROUNDS (7) rounds of each, interleaved. The CPU
# time is the kernel's account of all threads of a server. Needs the release build with benchmarks. Everything stays on
# 127.0.0.1, is bounded in count, and is ended by its process id.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${ROUNDS:-7} build=${BUILD:-build/release} connections=32 requests=60000
origin_port=29290 one_port=29291 two_port=29292
work=$(mktemp -d)
pids=()
stop() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
}
trap 'status=$?; ((status == 0)) || tail -n 5 "$work"/*.log >&2; stop; rm -rf "$work"' EXIT

"$build/bench_sized_origin" $origin_port & pids+=($!)

server() { # NAME WORKERS CPUS PORT
  cat >"$work/$1.yaml" <<YAML
listeners: [{ address: "127.0.0.1:$4" }]
workers: $2
cache: { memory: { size: 64MiB } }
origins: { origin: { url: "http://127.0.0.1:$origin_port" } }
behaviors: [{ path_pattern: "*", origin: origin }]
access_log: { path: $work/$1.access }
YAML
  taskset -c "$3" "$build/gatehouse" run "$work/$1.yaml" >"$work/$1.log" 2>&1 & pids+=($!)
  curl -s --retry 100 --retry-connrefused --retry-delay 0 --retry-max-time 20 -o /dev/null "http://127.0.0.1:$4/1000/item"
}
server one 1 0 $one_port
one=$!
server two 2 0,1 $two_port
two=$!
load() { taskset -c 1 "$build/bench_hit_load" "$@"; }

most=$(load 3 $requests $connections /1000/item "one:$one_port:$one" | awk -F'|' '$2 ~ /one/ { print int($5) }')
echo "One worker reaches $most requests/s; requests at half of that rate, $connections connections, $rounds rounds:"
echo
load --rate $((most / 2)) "$rounds" $requests $connections /1000/item "one worker:$one_port:$one" "two workers:$two_port:$two"
