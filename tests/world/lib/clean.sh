# Stopping and removing: only what carries our name or label, or what we started.
# shellcheck shell=bash

cmd_stop() {
  lock_world
  engine_find || :
  engine_stop "$@"
}

# Our images' layer folders, each once; empty where the engine keeps its layers elsewhere.
our_layers() {
  d images -aq --filter "label=$NS" | sort -u |
    xargs -r "${DOCKER[@]}" image inspect --format '{{.GraphDriver.Data.UpperDir}}:{{.GraphDriver.Data.LowerDir}}' |
    tr : '\n' | grep '^/' | sort -u
}

mib() { awk '{ s += $1 } END { printf "%d", s / 1024 }'; }

cmd_clean() {
  local ids id layers=0 state answers=
  lock_world
  state=$(as_root du -sxk "$STATE" 2>/dev/null | mib)
  if engine_find; then
    answers=1
    layers=$(our_layers | as_root xargs -r du -sxkc 2>/dev/null | tail -n 1 | mib)
  else
    say "no engine answers: images, if any, stay where they are"
  fi
  say "disk in use: $state MiB in $STATE, $layers MiB in images"

  if [ -n "$answers" ]; then
    ids=$(d ps -aq --filter "label=$NS=vm")
    for id in $ids; do vm_remove "$id" && say "removed VM $id"; done
    ids=$(d images --filter "label=$NS" --format '{{.Repository}}:{{.Tag}}' | grep "^$NS/" | sort -u)
    # shellcheck disable=SC2086  # a list
    [ -z "$ids" ] || d rmi -f $ids >/dev/null
    # What failed builds left without a name.
    ids=$(d images -q --filter dangling=true --filter "label=$NS" | sort -u)
    # shellcheck disable=SC2086
    [ -z "$ids" ] || d rmi -f $ids >/dev/null 2>&1
    engine_stop
  fi
  as_root rm -rf "$STATE"
  say "freed: about $((state + layers)) MiB; packages that setup installed on this machine (docker.io, mmdebstrap, npm) stay"
}
