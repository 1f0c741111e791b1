#!/usr/bin/env bash
# CPU per cache hit of gatehouse beside nginx and a bare epoll responder, all measured in one run.
#
#   bench/hit.sh [CONTENT_BYTES] [ROUNDS] [REQUESTS]
#
# Needs the release build with benchmarks (cmake --preset release -DGATEHOUSE_BENCH=ON, then build) and nginx
# (Debian's nginx-light; it is only run from here, never as a service). The servers run on CPU 0, the load on CPU 1.
# Everything stays on 127.0.0.1, is bounded in count, and is ended by its process id.
set -euo pipefail
cd "$(dirname "$0")/.."
bytes=${1:-1000} rounds=${2:-7} requests=${3:-40000}
build=${BUILD:-build/release}
work=$(mktemp -d)
pids=()
stop() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$work"
}
trap stop EXIT

origin_port=29180 floor_port=29181 nginx_port=29182 gatehouse_port=29183
path=/item.json

# The origin: a fixed cacheable answer.
content=$(head -c "$bytes" /dev/zero | tr '\0' 'x')
printf 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: max-age=3600\r\nETag: "bench"\r\nDate: %s\r\nContent-Length: %s\r\n\r\n%s' \
  "$(date -u '+%a, %d %b %Y %H:%M:%S GMT')" "$bytes" "$content" >"$work/origin"
"$build/bench_epoll_responder" $origin_port "$work/origin" & pids+=($!)

cat >"$work/gatehouse.yaml" <<YAML
listeners: [{ address: "127.0.0.1:$gatehouse_port" }]
workers: 1
cache: { memory: { size: 256MiB } }
origins: { origin: { url: "http://127.0.0.1:$origin_port" } }
behaviors: [{ path_pattern: "*", origin: origin }]
access_log: { path: $work/access.log }
YAML
taskset -c 0 "$build/gatehouse" run "$work/gatehouse.yaml" 2>"$work/gatehouse.log" & gatehouse=$!; pids+=("$gatehouse")

mkdir -p "$work/nginx"
cat >"$work/nginx.conf" <<NGINX
user root; daemon off; worker_processes 1; pid $work/nginx.pid; error_log $work/nginx.log;
events { worker_connections 1024; }
http {
  client_body_temp_path $work/nginx/b; proxy_temp_path $work/nginx/p; fastcgi_temp_path $work/nginx/f;
  uwsgi_temp_path $work/nginx/u; scgi_temp_path $work/nginx/s;
  access_log $work/nginx-access.log combined buffer=64k;
  proxy_cache_path $work/nginx/cache keys_zone=c:16m max_size=256m use_temp_path=off;
  open_file_cache max=1000; sendfile on; tcp_nopush on; keepalive_requests 100000000;
  server {
    listen 127.0.0.1:$nginx_port;
    location / { proxy_pass http://127.0.0.1:$origin_port; proxy_cache c; add_header X-Cache \$upstream_cache_status; }
  }
}
NGINX
taskset -c 0 nginx -e "$work/nginx.log" -c "$work/nginx.conf" & nginx=$!; pids+=("$nginx")

# Ready when each answers; the second answer is the hit.
for port in $origin_port $nginx_port $gatehouse_port; do
  curl -s --retry 50 --retry-connrefused --retry-delay 0 --retry-max-time 20 -o /dev/null "http://127.0.0.1:$port$path" || { echo "port $port does not answer"; cat "$work"/*.log; exit 1; }
done
curl -s -i "http://127.0.0.1:$gatehouse_port$path" >"$work/hit"
grep -q 'Cache-Status: gatehouse; hit' "$work/hit" || { echo "not a hit:"; cat "$work/hit"; exit 1; }
# The floor sends byte for byte what gatehouse sends.
taskset -c 0 "$build/bench_epoll_responder" $floor_port "$work/hit" & floor=$!; pids+=("$floor")
curl -s --retry 50 --retry-connrefused --retry-delay 0 --retry-max-time 10 -o /dev/null "http://127.0.0.1:$floor_port$path"

nginx_all=$(pgrep -d, -P "$nginx"),$nginx
echo "hit of $bytes bytes, 32 connections, $rounds rounds of $requests requests, medians:"
taskset -c 1 "$build/bench_hit_load" "$rounds" "$requests" 32 "$path" \
  "responder:$floor_port:$floor" "gatehouse:$gatehouse_port:$gatehouse" "nginx:$nginx_port:$nginx_all"
