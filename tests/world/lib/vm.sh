# Student VMs: starting one that dies with its holder, running commands in it, listing, sweeping.
# shellcheck shell=bash

# The capabilities are --privileged's without SYS_RESOURCE, so that a VM is the same on every machine. One
# that lacks it (a sandbox, say) refuses --privileged with an older engine, as ALL is asked for, and refuses
# the very word --cap-drop SYS_RESOURCE with a newer one, which gives only what there is: asked once.
vm_probe_caps() {
  local id
  [ -e "$STATE/vm-caps" ] && return
  if id=$(d create --cap-add ALL --cap-drop SYS_RESOURCE "$1" 2>/dev/null); then
    d rm -v "$id" >/dev/null
    echo "--cap-add ALL --cap-drop SYS_RESOURCE"
  else
    echo "--cap-add ALL"
  fi >"$STATE/vm-caps"
}

# Sets VM_OPTIONS: how every VM container is run (ENGINE NAME).
vm_run_options() {
  local caps
  read -ra caps <"$STATE/vm-caps"
  VM_OPTIONS=(-i --rm --name "$2" --env "LABRUN_VM_NAME=$2"
    --label "$NS=vm" --label "$NS.engine=$1" --label "$NS.holder=$$:$(start_time $$)"
    "${caps[@]}"
    --security-opt seccomp=unconfined --security-opt systempaths=unconfined --security-opt apparmor=unconfined
    --device-cgroup-rule 'a *:* rwm' --cgroupns private
    --memory "${LABRUN_WORLD_VM_MEMORY:-4g}" --pids-limit "${LABRUN_WORLD_VM_PIDS:-4096}")
}

cmd_vm() {
  local engine=26 name="labrun-vm-$$" images=standin options=() golden
  while [ $# -gt 0 ]; do
    case $1 in
      --engine)  engine=${2:-}; check_engine_name "$engine"; shift 2 ;;
      --name)    name=${2:?--name NAME}; shift 2 ;;
      --images)  images=${2:?--images standin|real|auto}; shift 2 ;;
      --share)   [ -d "${2:-}" ] || usage_error "--share wants a folder"; options+=(-v "$(cd "$2" && pwd):/share"); shift 2 ;;
      --publish) options+=(--publish "${2:?--publish ADDRESS:PORT:PORT}"); shift 2 ;;
      *) usage_error "vm: unknown option $1" ;;
    esac
  done
  engine_need
  if [ "$images" = auto ]; then
    images=real
    [ -e "$STATE/golden/$engine-real" ] || images=standin
  fi
  golden=$(readlink "$STATE/golden/$engine-$images") || die "no $images world for engine $engine: run \`world setup --engine $engine\` first"
  [ "$STATE/golden/$golden" = "$(golden_dir "$engine" "$images")" ] ||
    say "the recipe has changed since the last \`world setup\`: this VM is made from the older one"
  vm_run_options "$engine" "$name"
  # exec: the process that the caller knows is the one that holds the VM's standard input. Killing it, even
  # with -9, closes that; and the VM's PID 1 ends with it (vm/init).
  exec "${DOCKER[@]}" run "${VM_OPTIONS[@]}" --label "$NS.golden=$golden" \
    -v "$STATE/golden/$golden:/golden:ro" "${options[@]}" "$(vm_image "$engine")"
}

# vm_must_be_ours NAME: nobody else's container is entered by mistake.
vm_must_be_ours() {
  [ "$(d inspect --format "{{index .Config.Labels \"$NS\"}}" "$1" 2>/dev/null)" = vm ] || die "no student VM called $1 runs"
}

cmd_exec() {
  local name user=linux-user home=/home/linux-user
  [ $# -gt 0 ] || usage_error "exec NAME [--root] -- CMD…"
  name=$1; shift
  [ "${1:-}" != --root ] || { user=root home=/root; shift; }
  [ "${1:-}" != -- ] || shift
  [ $# -gt 0 ] || usage_error "exec $name: which command?"
  engine_need
  vm_must_be_ours "$name"
  exec "${DOCKER[@]}" exec --user "$user" --workdir "$home" \
    --env "HOME=$home" --env "USER=$user" --env "LOGNAME=$user" --env SHELL=/bin/bash --env LANG=C.UTF-8 \
    --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/games:/usr/local/games \
    "$name" "$@" </dev/null
}

# Every VM on the engine: NAME ENGINE STATE HOLDER, where a holder that is gone is marked.
vm_rows() {
  d ps -a --no-trunc --filter "label=$NS=vm" \
    --format "{{.ID}} {{.Names}} {{.Label \"$NS.engine\"}} {{.State}} {{.Label \"$NS.holder\"}}"
}

# A VM ends well on SIGTERM (vm/init); what is left of one that does not is removed.
vm_remove() {
  d stop --time 5 "$1" >/dev/null
  d rm -f -v "$1" >/dev/null 2>&1 || :
}

holder_lives() { [ "$(start_time "${1%%:*}")" = "${1#*:}" ]; }

cmd_list() {
  local id name engine state holder
  engine_need
  printf '%-24s %-13s %-7s %-10s %s\n' NAME ID ENGINE STATE HOLDER
  while read -r id name engine state holder; do
    holder_lives "$holder" && holder="pid ${holder%%:*}" || holder="gone (pid ${holder%%:*})"
    printf '%-24s %-13s %-7s %-10s %s\n' "$name" "${id:0:12}" "$engine" "$state" "$holder"
  done < <(vm_rows)
}

# Belt and braces: by the lifeline a VM goes by itself; this removes what a crash of the engine left.
cmd_sweep() {
  local id name engine state holder n=0
  engine_need
  while read -r id name engine state holder; do
    holder_lives "$holder" && continue
    vm_remove "$id" && { say "removed $name: its holder is gone"; n=$((n + 1)); }
  done < <(vm_rows)
  [ "${1:-}" = quiet ] || say "$n swept"
}
