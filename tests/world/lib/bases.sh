# Root filesystems made with mmdebstrap from the Debian mirror that the host's own apt uses,
# imported as labrun-world/<name>:<key>. All packages come in here: no `docker build` needs a network.
# shellcheck shell=bash

KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# base_key NAME: what a base depends on.
base_key() { key_of lib/bases.sh lib/offline-repo.sh "packages/$1"; }
base_image() { echo "$NS/$1:$(base_key "$1")"; }

# base_build NAME: does nothing when the engine has it.
base_build() {
  local name=$1 image suite id
  image=$(base_image "$name")
  d image inspect "$image" >/dev/null 2>&1 && return
  suite=$(sed -n 's/^# suite: //p' "$WORLD/packages/$name")
  base_tools "$suite"
  step "$name: Debian $suite with $(rows "$WORLD/packages/$name" | wc -l) chosen packages (mmdebstrap)"
  mkdir -p "$STATE/log" "$STATE/tmp" "$STATE/downloads/deb-$suite"
  # An id comes out only when both ends of the pipe went well; a broken tar leaves no tag behind.
  id=$(set -o pipefail; base_tar "$name" "$suite" 2>"$STATE/log/base-$name.log" \
        | d import --change "LABEL $NS=image" -) || {
    tail -n 25 "$STATE/log/base-$name.log" | sed 's/^/  | /' >&2
    [ -z "$id" ] || d rmi "$id" >/dev/null 2>&1
    die "mmdebstrap failed for $name (whole log: $STATE/log/base-$name.log)"
  }
  d tag "$id" "$image"
}

# base_tar NAME SUITE: writes the root filesystem to stdout.
base_tar() {
  local name=$1 suite=$2 debs="$STATE/downloads/deb-$2" conf="$STATE/tmp/apt.conf" offline
  # The host's proxy, CA and date settings hold for its mirror, so they hold for mmdebstrap too.
  apt-config dump | grep -E '^Acquire::(http|https|ftp|Check|Retries|Max)' >"$conf" || :
  offline=$(sed -n 's/^# offline: //p' "$WORLD/packages/$name")

  base_sources "$suite" | as_root mmdebstrap --mode=root --variant=minbase --format=tar --keyring="$KEYRING" \
    --include="$(rows "$WORLD/packages/$name" | paste -sd,)" \
    --aptopt="$conf" \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='force-unsafe-io' \
    --skip=essential/unlink --skip=download/empty \
    --setup-hook="mkdir -p \"\$1/var/cache/apt/archives\"; find '$debs' -name '*.deb' -exec cp -t \"\$1/var/cache/apt/archives\" {} +" \
    --customize-hook="cp -un \"\$1\"/var/cache/apt/archives/*.deb '$debs' || :" \
    --customize-hook="sh '$WORLD/lib/offline-repo.sh' \"\$1\" '$debs' $offline" \
    --customize-hook="rm -f \"\$1/etc/resolv.conf\" \"\$1/etc/hostname\" \"\$1\"/etc/apt/sources.list \"\$1\"/etc/apt/sources.list.d/*; sed -i /^Acquire::/d \"\$1/etc/apt/apt.conf.d/99mmdebstrap\"" \
    "$suite" -
}

# The apt lines for a suite, with the mirrors that the host's apt has for Debian.
base_sources() {
  local suite=$1 main security signed="[signed-by=$KEYRING]"
  main=${LABRUN_WORLD_MIRROR:-$(base_mirror Debian)}
  security=$(base_mirror Debian-Security)
  [ -n "$main" ] || die "no Debian mirror in the host's apt sources; name one in LABRUN_WORLD_MIRROR"
  echo "deb $signed $main $suite main"
  # Its updates are sid itself.
  [ "$suite" != sid ] || return 0
  echo "deb $signed $main $suite-updates main"
  [ -z "$security" ] || echo "deb $signed $security $suite-security main"
}

base_mirror() {
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Label: $1" 'Component: main' | head -n 1
}

# mmdebstrap itself, the tools of tests, lists that name the mirror, and a keyring that knows the suite. A Debian 12 that was
# never updated has no keys for 13; its own archive has the newer keyring. Signatures are always checked.
base_tools() {
  local want=()
  command -v mmdebstrap >/dev/null || want+=(mmdebstrap)
  # What labrun's tests hold evidence against: a program of the documentation's, and signatures.
  command -v python3 >/dev/null || want+=(python3)
  command -v ssh-keygen >/dev/null || want+=(openssh-client)
  [ -n "$(base_mirror Debian)" ] || quietly apt-update as_root apt-get update
  # sid is signed with the newest release's keys.
  ls /usr/share/keyrings/debian-archive-"${1/sid/trixie}"-stable.* >/dev/null 2>&1 || want+=(debian-archive-keyring)
  [ ${#want[@]} = 0 ] || { step "installing on the host: ${want[*]}"; apt_install "${want[@]}"; }
}
