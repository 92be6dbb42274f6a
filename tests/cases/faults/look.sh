# Runs labrun with the given arguments in a session of its own, prints its standard output, and in a last line: its exit
# code, the milliseconds it took, its largest memory in KiB, and the processes it left behind. With INTERRUPT=SECONDS
# it is interrupted by then, and the time counts from there.
out=$(mktemp)
exec 9<> <(:)
pause() { read -rt "$1" -u 9; }
peak=0
remember_peak() {
  while read -r key size _; do
    [ "$key" != VmHWM: ] || { peak=$size; return; }
  done
  return 1
}

start=${EPOCHREALTIME/[.,]/}
setsid /share/labrun "$@" >"$out" </dev/null &
labrun=$!
if [ -n "${INTERRUPT:-}" ]; then
  pause "$INTERRUPT"
  start=${EPOCHREALTIME/[.,]/}
  kill -INT "$labrun"
fi
while remember_peak </proc/$labrun/status; do pause 0.005; done 2>/dev/null
wait "$labrun"
code=$?
end=${EPOCHREALTIME/[.,]/}

left=
for stat in /proc/[0-9]*/stat; do
  read -r line <"$stat" || continue
  # After the name, which is in brackets: state, parent, group, session.
  read -r state _ _ session _ <<<"${line##*) }"
  [ "$session" != "$labrun" ] || left+=" $state:${line%%)*})"
done 2>/dev/null

cat "$out"
rm "$out"
echo
echo "$code $(((end - start) / 1000)) $peak$left"
