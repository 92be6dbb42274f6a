# The host's Docker engine: used as it is when one answers, else Debian's is installed and started.
# Never replaces, reconfigures or stops an engine that somebody else started.
# shellcheck shell=bash

ENGINE_PID="$STATE/engine.pid"          # "PID START-TIME" of the dockerd that we started, or "systemd"

# The kernel's start time of a process: with the PID it names one process for good.
start_time() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

# Is a process with this PID and this command name alive? Root's processes count too.
alive_as() { [ -n "$1" ] && [ "$(cat "/proc/$1/comm" 2>/dev/null)" = "$2" ]; }

# Finds out how to call an engine that answers; fails quietly when none does.
engine_find() {
  command -v docker >/dev/null || return 1
  if timeout 20 docker version >/dev/null 2>&1; then DOCKER=(docker); return 0; fi
  if [ "$(id -u)" != 0 ] && [ -z "${DOCKER_HOST:-}" ] && timeout 20 sudo -n docker version >/dev/null 2>&1; then
    # sudo passes no SIGKILL on: the client must end with it by itself, or a VM would outlive its holder.
    DOCKER=(sudo setpriv --pdeathsig KILL docker); return 0
  fi
  return 1
}

engine_need() { engine_find || die "no Docker engine answers: run \`world setup\` first"; }

engine_start() {
  engine_find && return
  [ -z "${DOCKER_HOST:-}" ] || die "DOCKER_HOST=$DOCKER_HOST does not answer; start that engine or unset DOCKER_HOST"
  if ! [ -x /usr/sbin/dockerd ] && ! command -v dockerd >/dev/null; then
    step "installing Debian's docker.io: no Docker engine is here"
    apt_install docker.io
  fi
  # On Debian 13 the client is a package of its own.
  command -v docker >/dev/null || { step "installing Debian's docker-cli"; apt_install docker-cli; }

  if [ -d /run/systemd/system ]; then
    step "starting Docker by systemd"
    quietly engine as_root systemctl start docker
    echo systemd >"$ENGINE_PID"
  elif pid=$(as_root cat /var/run/docker.pid 2>/dev/null) && alive_as "$pid" dockerd; then
    step "a dockerd runs (pid $pid) but does not answer yet: waiting for it"
  else
    step "starting dockerd (no systemd here)"
    engine_sweep_stale
    engine_spawn
  fi
  engine_wait
  step "engine $(d version --format '{{.Server.Version}}') answers"
}

# What a killed dockerd leaves behind stops the next one: a pid file whose number some other process
# has by now, a socket nobody listens on.
engine_sweep_stale() {
  local file pid
  for file in /var/run/docker.pid /var/run/docker/containerd/containerd.pid; do
    pid=$(as_root cat "$file" 2>/dev/null) || continue
    alive_as "$pid" "$(basename "$file" .pid | sed 's/^docker$/dockerd/')" && continue
    as_root rm -f "$file"
  done
  if [ -S /run/containerd/containerd.sock ] && ! pgrep -x containerd >/dev/null; then
    as_root rm -f /run/containerd/containerd.sock
  fi
}

engine_spawn() {
  mkdir -p "$STATE/log"
  rm -f "$ENGINE_PID"
  # setsid: the engine outlives this command and the terminal; 9>&-: it must not inherit our lock.
  as_root setsid sh -c 'echo "$$ $(sed "s/.*) //" /proc/$$/stat | cut -d" " -f20)" >"$1"; exec dockerd' sh "$ENGINE_PID" \
    </dev/null >"$STATE/log/dockerd.log" 2>&1 9>&- &
}

engine_wait() {
  local deadline=$((SECONDS + 60))
  until engine_find; do
    [ $SECONDS -lt $deadline ] || { tail -n 25 "$STATE/log/dockerd.log" >&2; die "the engine does not answer within 60 s"; }
    if [ -s "$ENGINE_PID" ] && ! engine_is_ours; then
      tail -n 25 "$STATE/log/dockerd.log" >&2
      die "dockerd ended as soon as it was started"
    fi
    sleep 0.2
  done
}

# Did we start the engine that runs now?
engine_is_ours() {
  local pid start
  read -r pid start 2>/dev/null <"$ENGINE_PID" || return 1
  [ "$pid" = systemd ] || { [ -n "$start" ] && [ "$(start_time "$pid")" = "$start" ]; }
}

engine_stop() {
  local pid deadline=$((SECONDS + 30))
  engine_is_ours || { say "no engine of ours runs: nothing to stop"; rm -f "$ENGINE_PID"; return; }
  read -r pid _ <"$ENGINE_PID"
  # Other people's containers may run on it by now; they would be stopped with it.
  if [ "${1:-}" != --force ] && [ -n "$(d ps -q 2>/dev/null)" ]; then
    say "the engine that we started (pid $pid) still runs containers: left alone"
    return
  fi
  if [ "$pid" = systemd ]; then
    as_root systemctl stop docker.socket docker && rm -f "$ENGINE_PID" && say "stopped Docker, which we had started by systemd"
    return
  fi
  as_root kill -TERM "$pid"
  while [ -d "/proc/$pid" ]; do
    [ $SECONDS -lt $deadline ] || { say "dockerd (pid $pid) does not stop within 30 s: left alone"; return 1; }
    sleep 0.2
  done
  rm -f "$ENGINE_PID"
  say "stopped the dockerd that we had started (pid $pid)"
}

# apt_install PACKAGE…: updates the package lists only when it does not work without.
apt_install() {
  local install=(as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@")
  mkdir -p "$STATE/log"
  "${install[@]}" >"$STATE/log/apt-install.log" 2>&1 && return
  quietly apt-update as_root apt-get update
  quietly apt-install "${install[@]}"
}
