#!/usr/bin/env bash
# The browser tests against the real binary with a simulated city. Usage: e2e/run.sh PATH_TO_IOC [DEMO_FLAG…]
# Paths in flags start at dashboards/. E2E_ONLY names one part; E2E_FIELD a domain in which an alert must appear.
set -euo pipefail
ioc=$(realpath "$1")
shift
cd "$(dirname "$0")/.."
work=$(mktemp -d)

"$ioc" demo --data-dir "$work/data" --rules ../configs/rules \
  --http 127.0.0.1:0 --mqtt 127.0.0.1:0 --mqtts 127.0.0.1:0 "$@" >"$work/out" 2>"$work/log" &
server=$!
finish() {
  kill "$server" 2>/dev/null || true
  wait "$server" 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT

# Port 0 takes a free one; the server prints which, and writes its sign-in before it is ready.
url=
for _ in $(seq 600); do
  url=$(sed -n 's|^ *console *\(http://[^/ ]*\)/*$|\1|p' "$work/out")
  [ -n "$url" ] && curl -fs -o /dev/null "$url/health/ready" && break
  kill -0 "$server" 2>/dev/null || { cat "$work/out" "$work/log" >&2; exit 1; }
  sleep 0.2
done
curl -fs -o /dev/null "$url/health/ready" || { echo "the server did not get ready" >&2; cat "$work/log" >&2; exit 1; }

E2E_BASE_URL=$url E2E_SIGNIN="$work/data/demo-signin.json" node e2e/run.mjs ${E2E_ONLY:+--only "$E2E_ONLY"} || { tail -n 50 "$work/log" >&2; exit 1; }
if grep -q panicked "$work/out" "$work/log"; then
  echo "the server's log has a panic" >&2
  grep panicked "$work/out" "$work/log" >&2
  exit 1
fi
