#!/bin/sh
# offline-repo.sh ROOT CACHE PACKAGE…: inside a fresh root filesystem, keeps the .deb files that installing
# PACKAGE… later would need as a small apt repository in /opt/labrun-apt, so that it works without a network.
# Runs as an mmdebstrap hook, while the root's apt still knows the mirror.
set -eu
root=$1 cache=$2
shift 2
[ $# -gt 0 ] || exit 0

archives=$root/var/cache/apt/archives
repo=$root/opt/labrun-apt
# Only what comes now belongs in the repository: what is installed already must not be in the way.
rm -f "$archives"/*.deb
chroot "$root" apt-get install -y --no-install-recommends --print-uris "$@" | sed -n "s/^'[^']*' \([^ ]*\.deb\) .*/\1/p" |
  while read -r deb; do [ ! -e "$cache/$deb" ] || cp "$cache/$deb" "$archives"; done
chroot "$root" apt-get install -y --no-install-recommends --download-only "$@" >&2
mkdir -p "$repo"
mv "$archives"/*.deb "$repo"
cp -un "$repo"/*.deb "$cache"

cd "$repo"
for deb in *.deb; do
  dpkg-deb -f "$deb"
  printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$deb" "$(stat -c %s "$deb")" "$(sha256sum "$deb" | cut -d' ' -f1)"
done >Packages
