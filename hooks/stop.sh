#!/bin/sh
# Stops the application that the last deployment started: TERM, 10 seconds, KILL. That it does not run is fine.
pid=${WINGMAN_REHEARSAL_ROOT:-}/opt/hello/hello.pid
[ -f "$pid" ] || { echo "hello does not run"; exit 0; }
p=$(cat "$pid")
rm -f "$pid"
kill "$p" 2>/dev/null || { echo "hello had ended already"; exit 0; }
i=0
while kill -0 "$p" 2>/dev/null; do
  [ $i -ge 100 ] && { echo "hello ignored TERM"; kill -KILL "$p"; break; }
  i=$((i + 1)); sleep 0.1
done
echo "hello stopped, pid $p"
