#!/usr/bin/env bash
# What a full memory store takes of the machine's memory, and whether that creeps.
#
#   bench/memory.sh [mixed|shifting]...        both without an argument; prints markdown
#
#   mixed      1,000,000 objects of 100 to 20,000 bytes, each size as likely; number n is asked for as often as 1 / n^0.9
#   shifting   60,000 objects of each of five sizes, for 20,000 requests of one size, then of the next, again and again,
#              by the same law
#
# A row for each tenth of the requests: anonymous resident memory of the process by the kernel's account, and what the
# store says of itself. Ends with status 1 where the memory is above the store's size by more than a tenth.
#
# Needs the release build with benchmarks (cmake --preset release -DGATEHOUSE_BENCH=ON, then build) and curl. Everything
# stays on 127.0.0.1, is bounded in count, and is ended by its process id. Ten million requests take three to ten minutes.
#
# From the environment, with their defaults:
#   REQUESTS=10000000   of each part
#   MIB=128             of the store
#   WORKERS=2
#   PORT=29290          the first of three
set -euo pipefail
cd "$(dirname "$0")/.."
parts=${*:-mixed shifting}
requests=${REQUESTS:-10000000} mib=${MIB:-128} workers=${WORKERS:-2} port=${PORT:-29290}
build=${BUILD:-build/release}
work=$(mktemp -d)
pids=()
gatehouse=''
too_much=0
stop() {
  for pid in "$@"; do kill "$pid" 2>/dev/null || true; done
  for pid in "$@"; do wait "$pid" 2>/dev/null || true; done
}
trap 'status=$?; ((status == 0)) || tail -n 5 "$work"/*.log >&2; stop "${pids[@]}"; rm -rf "$work"' EXIT
fail() { echo "memory.sh: $*" >&2; exit 1; }

origin_port=$port gatehouse_port=$((port + 1)) admin_port=$((port + 2))
"$build/bench_sized_origin" "$origin_port" & pids+=($!)

start_gatehouse() {
  cat >"$work/gatehouse.yaml" <<YAML
listeners: [{ address: "127.0.0.1:$gatehouse_port" }]
admin: { address: "127.0.0.1:$admin_port" }
workers: $workers
cache: { memory: { size: ${mib}MiB } }
origins: { origin: { url: "http://127.0.0.1:$origin_port" } }
behaviors: [{ path_pattern: "*", origin: origin }]
access_log: off
YAML
  "$build/gatehouse" run "$work/gatehouse.yaml" 2>"$work/gatehouse.log" & gatehouse=$!; pids+=("$gatehouse")
  for _ in $(seq 100); do
    ! curl -s -o /dev/null "http://127.0.0.1:$gatehouse_port/1/ready" || return 0
    sleep 0.1
  done
  fail "gatehouse does not answer"
}
load() { # REQUESTS PATH
  "$build/bench_hit_load" --no-warm --sleep 1 "$1" 32 "$2" "gatehouse:$gatehouse_port:$gatehouse" >/dev/null
}
resident_kib() { awk '/^RssAnon:/ { print $2 }' "/proc/$gatehouse/status"; }
metric() { awk -v name="$1" '$1 == name { print $2 }' "$work/metrics"; }
row() { # REQUESTS SO FAR
  curl -s "http://127.0.0.1:$admin_port/metrics" >"$work/metrics"
  local kib
  kib=$(resident_kib)
  ((kib * 10 <= mib * 1024 * 11)) || too_much=1
  awk -v done="$1" -v kib="$kib" -v used="$(metric gatehouse_store_bytes)" -v objects="$(metric gatehouse_store_objects)" \
    -v stored="$(metric gatehouse_store_insertions_total)" -v mib="$mib" \
    'BEGIN { printf "| %d | %.1f | %.3f | %.1f | %d | %.3f |\n", done, kib / 1024, kib / 1024 / mib, used / 1048576, objects, stored / (done + (done == 0)) }'
}
table() {
  printf '\n### %s\n\n| requests | resident, MiB | to size | used, MiB | objects | stored / requests |\n| --- | --- | --- | --- | --- | --- |\n' "$1"
  row 0
}

# The seed is another one each time, so that no step is another one again.
mixed() {
  local step=$((requests / 10)) n
  table "1,000,000 objects of 100 to 20,000 bytes, a store of $mib MiB"
  for n in $(seq 10); do
    load $step "/mixed/{zipf:1000000:0.9:$n}"
    row $((n * step))
  done
}
shifting() {
  local step=20000 n size row_at=$((requests / 10))
  local sizes=(1000 300 20000 4000 100)
  table "60,000 objects of each of ${sizes[*]} bytes in turn, a store of $mib MiB"
  for ((n = 1; n * step <= requests; ++n)); do
    size=${sizes[$(((n - 1) % ${#sizes[@]}))]}
    load $step "/$size/{zipf:60000:0.9:$n}"
    ((n * step % row_at != 0)) || row $((n * step))
  done
}

echo "$(nproc) processors, $(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo), Linux $(uname -r), $workers workers"
for part in $parts; do
  case $part in
    mixed | shifting)
      start_gatehouse
      "$part"
      stop "$gatehouse"
      ;;
    *) fail "no part $part; there are mixed and shifting" ;;
  esac
done
((too_much == 0)) || fail "the process takes more than a tenth above the size of its store"
