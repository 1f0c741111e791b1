#!/usr/bin/env bash
# The disk store beside nginx's disk cache with open_file_cache, on the same objects of the same origin.
#
#   bench/disk.sh [hits|stores|wrap|large|restart|cold]...        all of them without an argument; prints markdown
#
# Needs the release build with benchmarks (cmake --preset release -DGATEHOUSE_BENCH=ON, then build), nginx (Debian's
# nginx-light; it is only run from here, never as a service), curl, and 10 GB below $TMPDIR (/var/tmp), on a disk. The
# servers run on CPU 0, one worker each; the load and the origin on CPU 1. Everything stays on 127.0.0.1, is bounded in
# count, and is ended by its process id. As root, restart and cold also drop the machine's page cache.
#
# From the environment, with their defaults:
#   ROUNDS=7           of each measurement, interleaved; medians are printed
#   LOG=on             access logs of both servers; off: of neither
#   LARGE_BYTES=1073741824   of the large object
#   LARGE_MEMORY=, LARGE_DISK=   fields for cache.memory and cache.disk beside what lets it be stored
#   OBJECTS=1000000    for restart
#   ONLY=, KEEP=       hits: 8192 or 102400 alone; seconds for which the servers then stay under load, for a profiler
set -euo pipefail
cd "$(dirname "$0")/.."
parts=${*:-hits stores wrap large restart cold}
rounds=${ROUNDS:-7} log=${LOG:-on} large_bytes=${LARGE_BYTES:-1073741824} objects=${OBJECTS:-1000000}
build=${BUILD:-build/release}
work=$(mktemp -d -p "${TMPDIR:-/var/tmp}")
pids=()
gatehouse='' nginx='' only_memory='' floor=''
stop() {
  for pid in "$@"; do kill "$pid" 2>/dev/null || true; done
  # The one that first_hit started is no child of this shell.
  for pid in "$@"; do wait "$pid" 2>/dev/null || while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done; done
}
trap 'status=$?; ((status == 0)) || tail -n 5 "$work"/*.log >&2; stop "${pids[@]}"; rm -rf "$work"' EXIT
fail() { echo "disk.sh: $*" >&2; exit 1; }
[[ $(stat -f -c %T "$work") != tmpfs ]] || fail "$work is not on a disk; set TMPDIR"

origin_port=29190 nginx_port=29191 gatehouse_port=29192 admin_port=29193 memory_port=29194 nopush_port=29195 floor_port=29196
"$build/bench_sized_origin" $origin_port & pids+=($!)
taskset -pc 1 $! >/dev/null

wait_for() { # PORT PATH
  curl -s --retry 100 --retry-connrefused --retry-delay 0 --retry-max-time 20 -o /dev/null "http://127.0.0.1:$1$2" ||
    fail "port $1 does not answer"
}
origin_answers() { curl -s "http://127.0.0.1:$origin_port/count"; }
metric() { # NAME [LABEL]: the sum over its labels, or of those that contain LABEL
  curl -s "http://127.0.0.1:$admin_port/metrics" |
    awk -v name="$1" -v label="${2:-}" '{ split($1, part, "{") } part[1] == name && index($1, label) { sum += $2 } END { printf "%d\n", sum }'
}
load() { taskset -c 1 "$build/bench_hit_load" "$@"; }

write_gatehouse() { # FILE PORT CACHE [ADMIN]
  cat >"$1" <<YAML
listeners: [{ address: "127.0.0.1:$2" }]
${4:-}
workers: 1
cache:
$3
origins: { origin: { url: "http://127.0.0.1:$origin_port" } }
behaviors: [{ path_pattern: "*", origin: origin }]
access_log: $([[ $log == on ]] && echo "{ path: $1.access.log }" || echo off)
YAML
}
start_gatehouse() { # CACHE, after which gatehouse is its process id
  mkdir -p "$work/gatehouse"
  write_gatehouse "$work/gatehouse.yaml" $gatehouse_port "$1" "admin: { address: \"127.0.0.1:$admin_port\" }"
  taskset -c 0 "$build/gatehouse" run "$work/gatehouse.yaml" 2>"$work/gatehouse.log" & gatehouse=$!; pids+=("$gatehouse")
  wait_for $gatehouse_port /1/ready
}
# What is kind to nginx: every file stays open and is not looked at again within the run; one buffer takes a whole 8 kB
# response, so that it is written with one call; its own connections to the origin are kept; files are written where
# they stay, and sent by sendfile. tcp_nopush is better for it at 8 kB, and makes it stall at 100 kB (600 requests/s on
# loopback), so there is a port with and one without it.
start_nginx() {
  mkdir -p "$work/nginx"
  cat >"$work/nginx.conf" <<NGINX
user root; daemon off; worker_processes 1; worker_rlimit_nofile $(ulimit -Hn); pid $work/nginx.pid; error_log $work/nginx.log;
events { worker_connections 4096; }
http {
  client_body_temp_path $work/nginx/b; proxy_temp_path $work/nginx/p; fastcgi_temp_path $work/nginx/f;
  uwsgi_temp_path $work/nginx/u; scgi_temp_path $work/nginx/s;
  access_log $([[ $log == on ]] && echo "$work/nginx-access.log combined buffer=64k" || echo off);
  proxy_cache_path $work/nginx/cache levels=1:2 keys_zone=c:256m max_size=64g inactive=1d use_temp_path=off;
  open_file_cache max=200000 inactive=1h; open_file_cache_valid 1h; open_file_cache_min_uses 1;
  sendfile on; keepalive_requests 100000000; proxy_max_temp_file_size 8192m;
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host bench.test;
  proxy_buffer_size 16k; proxy_buffers 16 16k; proxy_busy_buffers_size 32k;
  proxy_cache c; proxy_cache_key \$request_uri; add_header X-Cache \$upstream_cache_status;
  upstream origin { server 127.0.0.1:$origin_port; keepalive 64; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:$nginx_port;
    location / { proxy_pass http://origin; }
  }
  server {
    listen 127.0.0.1:$nopush_port; tcp_nopush on;
    location / { proxy_pass http://origin; }
  }
}
NGINX
  taskset -c 0 nginx -e "$work/nginx.log" -c "$work/nginx.conf" & nginx=$!; pids+=("$nginx")
  wait_for $nginx_port /1/ready
}
nginx_all() { # without the cache loader, which ends after a while
  echo "$nginx,$(pgrep -d, -P "$nginx" -f 'worker process|cache manager')"
}
nopush() { echo "nginx-tcp_nopush:$nopush_port:$(nginx_all)"; }
both() { echo "nginx:$nginx_port:$(nginx_all) gatehouse:$gatehouse_port:$gatehouse"; }
end_servers() {
  # shellcheck disable=SC2086 # what was not started is no word
  stop $gatehouse $nginx $only_memory $floor
  gatehouse='' nginx='' only_memory='' floor=''
  rm -rf "$work/gatehouse" "$work/nginx" "$work/content" "$work"/*.log
}
# Again and again until each of COUNT objects is on gatehouse's disk: what memory cannot hold while it waits to be
# written is not kept.
fill_gatehouse() { # PATH COUNT [CONNECTIONS]
  for _ in $(seq 30); do
    load --no-warm --sleep 1 "$2" "${3:-8}" "$1{next:0}" "gatehouse:$gatehouse_port:$gatehouse" >/dev/null
    wait_written
    (($(metric gatehouse_disk_objects) <= $2)) || return 0
  done
  fail "the disk has $(metric gatehouse_disk_objects) of $2 objects"
}
wait_written() {
  for _ in $(seq 200); do
    (($(metric gatehouse_disk_queued_bytes) > 0)) || return 0
    sleep 0.1
  done
  fail "the disk store does not write"
}

hits() { # BYTES COUNT REQUESTS MEMORY
  local disk="  disk: { path: $work/gatehouse/disk, size: 4GiB }"
  start_nginx
  load --no-warm --sleep 1 "$2" 8 "/$1/{next:0}" "nginx:$nginx_port:$(nginx_all)" >/dev/null
  start_gatehouse "  memory: { size: 512MiB }
$disk"
  fill_gatehouse "/$1/" "$2"
  # Filled with much memory, because what waits to be written is in it; then served with little.
  stop "$gatehouse"
  start_gatehouse "  memory: { size: $4 }
$disk"
  # Once for what is checked once, and once more for the heads that stay in memory.
  # shellcheck disable=SC2046 # one word a server
  for _ in 1 2; do load --no-warm 1 "$2" 32 "/$1/{next:0}" $(both) >/dev/null; done
  # What no server that sends with sendfile can do without: the same head, as much content, from files in memory.
  curl -s -o /dev/null -D "$work/head" "http://127.0.0.1:$gatehouse_port/$1/0"
  cat "$work"/gatehouse/disk/segment-* >"$work/content"
  taskset -c 0 "$build/bench_sendfile_responder" $floor_port "$work/head" "$work/content" "$1" & floor=$!; pids+=("$floor")
  wait_for $floor_port /
  local counter=gatehouse_disk_reads_total reads_before origin_before reads
  (($1 <= 65536)) || counter=gatehouse_disk_file_hits_total
  reads_before=$(metric $counter) origin_before=$(origin_answers)
  printf '\n### Hits of %d bytes: %d objects, in random order, 32 connections, %d rounds of %d requests\n\n' "$1" "$2" "$rounds" "$3"
  # shellcheck disable=SC2046
  load "$rounds" "$3" 32 "/$1/{random:$2}" $(both) $( (($1 > 16384)) || nopush) "sendfile:$floor_port:$floor"
  reads=$(($(metric $counter) - reads_before))
  awk -v reads="$reads" -v requests=$((rounds * $3 + $3 / 10 + 32)) -v origin=$(($(origin_answers) - origin_before)) \
    'BEGIN { printf "\n%.1f %% of gatehouse'"'"'s answers came from its memory; %d requests reached the origin.\n", 100 * (1 - reads / requests), origin }'
  if [[ -n ${KEEP:-} ]]; then
    echo "under load: gatehouse is process $gatehouse" >&2
    timeout "$KEEP" taskset -c 1 "$build/bench_hit_load" 1 100000000 32 "/$1/{random:$2}" "gatehouse:$gatehouse_port:$gatehouse" || true
  fi
  end_servers
}

stores() { # misses of unique objects, with room for all
  local bytes=8192 requests=15000 before objects_before lost
  start_nginx
  start_gatehouse "  memory: { size: 256MiB }
  disk: { path: $work/gatehouse/disk, size: 4GiB }"
  write_gatehouse "$work/memory.yaml" $memory_port "  memory: { size: 256MiB }"
  taskset -c 0 "$build/gatehouse" run "$work/memory.yaml" 2>"$work/memory.log" & only_memory=$!; pids+=("$only_memory")
  wait_for $memory_port /1/ready
  objects_before=$(metric gatehouse_disk_objects) before=$(origin_answers)
  printf '\n### Misses of %d bytes that are stored, 32 connections, %d rounds of %d requests\n\n' $bytes "$rounds" $requests
  # shellcheck disable=SC2046
  load --sleep "$rounds" $requests 32 "/$bytes/{next:0}" $(both) "gatehouse-without-disk:$memory_port:$only_memory"
  wait_written
  lost=$((rounds * requests + requests / 10 + 32 + objects_before - $(metric gatehouse_disk_objects)))
  printf '\n%d of gatehouse'"'"'s were not written to the disk; the origin answered %d for the three.\n' "$lost" $(($(origin_answers) - before))
  end_servers
}

wrap() { # what is written for what is admitted, when the disk has been filled four times
  local bytes=8192 written=0 requests=0 step=100000 size=$((256 * 1024 * 1024)) before
  start_gatehouse "  memory: { size: 16MiB }
  disk: { path: $work/gatehouse/disk, size: 256MiB }"
  before=$(origin_answers)
  until ((written > 4 * size || requests >= 40 * step)); do
    # The offset of the seed keeps one step from being the other again.
    load --no-warm --sleep 1 $step 16 "/$bytes/{zipf:200000:0.9:$requests}" "gatehouse:$gatehouse_port:$gatehouse" >/dev/null
    requests=$((requests + step))
    written=$(metric gatehouse_disk_written_bytes_total)
  done
  wait_written
  printf '\n### A disk of 256 MiB, after four times as much was written\n\n'
  awk -v written="$(metric gatehouse_disk_written_bytes_total)" -v admitted="$(metric gatehouse_disk_admitted_bytes_total)" \
    -v requested=$((requests * bytes)) -v size=$size -v missed=$(($(origin_answers) - before)) -v requests=$requests \
    'BEGIN { printf "| written / size | written / admitted | written / requested | hits |\n| --- | --- | --- | --- |\n| %.2f | %.3f | %.3f | %.1f %% |\n", written / size, written / admitted, written / requested, 100 * (1 - missed / requests) }'
  printf '\n%d requests of %d bytes, number n of 200,000 as likely as 1 / n^0.9; %d rewritten; not written: %d at first, %d for want of room in the queue.\n' \
    "$requests" $bytes "$(metric gatehouse_disk_rewritten_total)" "$(metric gatehouse_disk_not_written_total first_time)" \
    "$(metric gatehouse_disk_not_written_total queue)"
  end_servers
}

large() {
  local count=$((large_bytes >= 1 << 30 ? 1 : (1 << 30) / large_bytes)) before
  start_nginx
  start_gatehouse "  memory: { size: 128MiB${LARGE_MEMORY:+, $LARGE_MEMORY} }
  disk: { path: $work/gatehouse/disk, size: 8GiB${LARGE_DISK:+, $LARGE_DISK} }"
  for port in $nginx_port $gatehouse_port; do
    for n in $(seq 0 $((count - 1))); do curl -s -o /dev/null "http://127.0.0.1:$port/$large_bytes/$n"; done
  done
  wait_written
  before=$(origin_answers)
  for n in $(seq 0 $((count - 1))); do curl -s -o /dev/null "http://127.0.0.1:$gatehouse_port/$large_bytes/$n"; done
  printf '\n### An object of %d bytes, one client, %d rounds\n\n' "$large_bytes" "$rounds"
  if (($(origin_answers) > before)); then
    echo "Skipped: gatehouse does not store it."
  else
    # shellcheck disable=SC2046
    load "$rounds" "$count" 1 "/$large_bytes/{cycle:$count}" $(both)
  fi
  end_servers
}

# One line: milliseconds to the first hit, and objects found. The server runs on.
start_and_measure() { # HOW
  local result
  result=$("$build/bench_first_hit" $gatehouse_port "/256/$((objects / 2))" "$build/gatehouse" run "$work/gatehouse.yaml" 2>>"$work/gatehouse.log" </dev/null) ||
    fail "no hit after $1"
  gatehouse=${result% *}; pids+=("$gatehouse")
  printf '| %s | %s | %d | %.1f |\n' "$1" "${result#* }" "$(metric gatehouse_disk_objects)" \
    "$(awk -v bytes="$(metric gatehouse_disk_index_bytes)" -v count="$(metric gatehouse_disk_objects)" 'BEGIN { print bytes / count }')"
}
drop_page_cache() { sync "$work"/gatehouse/disk/*; echo 3 >/proc/sys/vm/drop_caches; }
restart() {
  start_gatehouse "  memory: { size: 256MiB }
  disk: { path: $work/gatehouse/disk, size: 4GiB }"
  fill_gatehouse /256/ "$objects" 32
  printf '\n### Restart with %d objects of 256 bytes\n\n| after | ms from exec to the first hit | objects | index bytes an object |\n| --- | --- | --- | --- |\n' "$objects"
  printf '| (before) | | %d | |\n' "$(metric gatehouse_disk_objects)"
  for _ in 1 2 3; do stop "$gatehouse"; start_and_measure SIGTERM; done
  for _ in 1 2 3; do kill -9 "$gatehouse"; stop "$gatehouse"; start_and_measure SIGKILL; done
  if [[ -w /proc/sys/vm/drop_caches ]]; then
    stop "$gatehouse"; drop_page_cache; start_and_measure "SIGTERM, page cache dropped"
    kill -9 "$gatehouse"; stop "$gatehouse"; drop_page_cache; start_and_measure "SIGKILL, page cache dropped"
  fi
  end_servers
}
# What is on the disk alone: the kernel has forgotten all of it. By io_uring, and by threads.
cold() {
  local disk="  disk: { path: $work/gatehouse/disk, size: 4GiB" round io
  [[ -w /proc/sys/vm/drop_caches ]] || { echo "cold: skipped, only root drops the page cache"; return; }
  start_gatehouse "  memory: { size: 512MiB }
$disk }"
  fill_gatehouse /8192/ 60000
  printf '\n### Hits of 8192 bytes that the kernel has to read: 60000 objects, in random order, 256 connections, 20000 requests\n\n'
  for round in $(seq 3); do
    for io in threads io_uring; do
      stop "$gatehouse"; drop_page_cache
      start_gatehouse "  memory: { size: 16MiB }
$disk, io: $io }"
      printf '%s, round %d: ' $io "$round"
      load --no-warm --sleep 1 20000 256 "/8192/{random:60000}" "gatehouse:$gatehouse_port:$gatehouse" | tail -n 1
    done
  done
  end_servers
}

echo "$(nproc) processors, $(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo), Linux $(uname -r), $(nginx -v 2>&1), access logs $log"
for part in $parts; do
  case $part in
    hits)
      [[ ${ONLY:-8192} != 8192 ]] || hits 8192 15000 40000 4MiB
      [[ ${ONLY:-102400} != 102400 ]] || hits 102400 4000 15000 64MiB
      ;;
    stores | wrap | large | restart | cold) "$part" ;;
    *) fail "no part $part; there are hits, stores, wrap, large, restart and cold" ;;
  esac
done
