#!/bin/sh
# Starts the application in the background, its output redirected: nothing of it may hold this script's.
set -eu
app=${WINGMAN_REHEARSAL_ROOT:-}/opt/hello
nohup "$app/hello" -listen "${ADDRESS:-127.0.0.1}:${PORT:-8080}" >>"$app/hello.log" 2>&1 </dev/null &
echo $! >"$app/hello.pid"
echo "hello started, pid $(cat "$app/hello.pid")"
