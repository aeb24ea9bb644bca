# Starting, stopping and waiting for the services. To be sourced.
# start NAME CMD... : run a daemon in its own session, pid kept in run/NAME.pid, idempotent
alive() { local p; p=$(cat "$RUN/$1.pid" 2>/dev/null) && [ -n "$p" ] && kill -0 "$p" 2>/dev/null; }
start() { local n=$1; shift
  if alive "$n"; then return 0; fi
  # It keeps none of the files that its starter had open.
  setsid nohup "$@" >>"$LOG/$n.log" 2>&1 </dev/null 9>&- &
  echo $! >"$RUN/$n.pid"; }
# stop NAME : TERM the process group we started, wait, then KILL
stop() { local n=$1 p i; p=$(cat "$RUN/$n.pid" 2>/dev/null) || return 0
  kill -TERM -- "-$p" 2>/dev/null || kill -TERM "$p" 2>/dev/null || true
  for i in $(seq 1 "${2:-50}"); do kill -0 -- "-$p" 2>/dev/null || break; sleep 0.2; done
  kill -KILL -- "-$p" 2>/dev/null || true; rm -f "$RUN/$n.pid"; }
# wait_for SECONDS DESCRIPTION CMD...
wait_for() { local t=$1 d=$2 i; shift 2
  for i in $(seq 1 $((t*5))); do "$@" >/dev/null 2>&1 && return 0; sleep 0.2; done
  echo "TIMEOUT after ${t}s: $d" >&2; return 1; }
http_up() { local c; c=$(curl -s -o /dev/null -m 20 -w '%{http_code}' "$1"); [ "$c" != 000 ] && [ "$c" -lt 500 ]; }
# uwsgi NAME PORT MODULE [extra...] : one process, 4 threads
api() { local n=$1 port=$2 mod=$3; shift 3
  start "$n" "$VENV/bin/uwsgi" --http-socket "$IP:$port" --module "$mod:application" \
    --processes 1 --threads "${LAB_API_THREADS:-6}" --enable-threads --lazy-apps --need-app --die-on-term \
    --buffer-size 65535 --http-chunked-input --http-auto-chunked --chunked-input-limit 33554432 --chunked-input-timeout 300 --socket-timeout 300 --add-header "Connection: close" \
    --disable-logging --log-4xx --log-5xx --so-keepalive --procname-prefix "$n " --set "start-time=$(date +%s)" "$@"; }
say() { printf '[%4ds] %s\n' "$SECONDS" "$*"; }
