# The golden store: an engine's store with every image loaded under upstream's name, made once per engine
# in a throw-away VM. VMs mount it read-only; their own stores only link into it (see vm/init).
#
#   $STATE/golden/26-standin-<key>/overlay2/<layer>/diff   the files of the layers
#   $STATE/golden/26-standin-<key>/skeleton.tar            everything else of a store, with links for the diffs
#   $STATE/golden/26-standin                               -> the folder that new VMs use
# shellcheck shell=bash

vm_key() { key_of vm -- "$(base_key "vm-$1")"; }
# vm:26 is the image for people to use; the key is in its label.
vm_image() { echo "$NS/vm:$1"; }

vm_build() {
  local engine=$1 key image context
  key=$(vm_key "$engine"); image=$(vm_image "$engine")
  [ "$(d image inspect --format "{{index .Config.Labels \"$NS.key\"}}" "$image" 2>/dev/null)" = "$key" ] && return
  base_build "vm-$engine"
  step "image vm:$engine"
  context=$(context_of vm)
  build "image-vm-$engine" "$context" "$image" --build-arg "BASE=$(base_image "vm-$engine")" --label "$NS.key=$key"
  rm -rf "$context"
}

# golden_key ENGINE IMAGES (standin or real). What the VM does with a store is no part of it, its engine is.
golden_key() {
  case $2 in
    standin) key_of lib/golden.sh lib/golden-skeleton.sh -- "$(base_key "vm-$1")" "$(images_key)" ;;
    real)    key_of lib/golden.sh lib/golden-skeleton.sh images/table -- "$(base_key "vm-$1")" real ;;
  esac
}
golden_dir() { echo "$STATE/golden/$1-$2-$(golden_key "$1" "$2")"; }

# golden_build ENGINE IMAGES
golden_build() {
  local engine=$1 images=$2 dir
  dir=$(golden_dir "$engine" "$images")
  if ! [ -f "$dir/skeleton.tar" ]; then
    BUILT=1
    step "golden store for engine $engine: loading the $images images in a throw-away VM"
    as_root rm -rf "$dir.new"
    mkdir -p "$dir.new/store"
    if ! golden_fill "$engine" "$images" "$dir.new/store"; then as_root rm -rf "$dir.new"; return 1; fi
    as_root sh "$WORLD/lib/golden-skeleton.sh" "$dir.new"
    mv "$dir.new" "$dir"
  fi
  ln -sfn "$(basename "$dir")" "$STATE/golden/$engine-$images"
}

# Runs a VM on STORE, loads or pulls the images into it, and stops its engine in good order.
golden_fill() {
  local engine=$1 images=$2 store=$3 vm="labrun-golden-$$" lifeline ok=1
  mkdir -p "$STATE/log"
  vm_run_options "$engine" "$vm"
  # The VM lives as long as this descriptor is open, so a killed setup leaves none behind.
  exec {lifeline}> >(exec 9>&-; exec "${DOCKER[@]}" run "${VM_OPTIONS[@]}" -v "$store:/var/lib/docker" "$(vm_image "$engine")" \
                      >"$STATE/log/$vm.out" 2>"$STATE/log/$vm.err")
  if golden_wait "$vm"; then
    "golden_fill_$images" "$vm" && ok=0
    # A store copied from under a running engine would be torn.
    d exec "$vm" sh -c 'pkill -x dockerd; for i in $(seq 200); do pgrep -x dockerd >/dev/null || exit 0; sleep 0.1; done; exit 1' || ok=1
  fi
  exec {lifeline}>&-
  for _ in $(seq 100); do d inspect "$vm" >/dev/null 2>&1 || break; sleep 0.1; done
  d rm -f -v "$vm" >/dev/null 2>&1
  rm -f "$STATE/log/$vm.out" "$STATE/log/$vm.err"
  return $ok
}

golden_wait() {
  local _
  for _ in $(seq 400); do
    grep -q '^ready ' "$STATE/log/$1.out" 2>/dev/null && return 0
    sleep 0.1
  done
  sed 's/^/  | /' "$STATE/log/$1.err" >&2
  say "the throw-away VM did not come up"
  return 1
}

# Moves the stand-ins over and gives them upstream's names, in the VM only.
golden_fill_standin() {
  local vm=$1 name upstream refs=() script=
  while read -r name _ _ _ upstream; do
    refs+=("$(image_ref "$name")")
    script+="for t in ${upstream//,/ }; do docker tag $(image_ref "$name") \$t; done; docker rmi $(image_ref "$name") >/dev/null; "
  done < <(rows "$TABLE")
  (set -o pipefail; d save "${refs[@]}" | d exec -i "$vm" docker load >/dev/null) && d exec "$vm" sh -ec "$script"
}

# Pulls the real images, into the VM's store: the host's engine never sees them. One bounded try first.
golden_fill_real() {
  local vm=$1 upstream tag
  step "one try, 60 s at most: docker pull postgres:14.1-alpine"
  # That it does not work is no error, so its words would only alarm; they are in the log.
  d exec "$vm" timeout 60 docker pull -q postgres:14.1-alpine >"$STATE/pull.log" 2>&1 || return 1
  while read -r _ _ _ _ upstream; do
    for tag in ${upstream//,/ }; do
      step "pulling $tag"
      d exec "$vm" timeout 600 docker pull -q "$tag" >&2 || return 1
    done
  done < <(rows "$TABLE")
}

# Golden stores that no VM can be using any more.
golden_forget_old() {
  local dir name
  for dir in "$STATE"/golden/*-*-*; do
    name=$(basename "$dir")
    if ! [ -d "$dir" ] || [ "$(readlink "$STATE/golden/${name%-*}")" = "$name" ]; then continue; fi
    [ -n "$(d ps -aq --filter "label=$NS.golden=$name")" ] || as_root rm -rf "$dir"
  done
}
