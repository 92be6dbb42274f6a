#!/bin/sh
# golden-skeleton.sh DIR: turns the engine's store in DIR/store into a golden one (see lib/golden.sh):
# DIR/overlay2/*/diff stay as they are, everything small goes into DIR/skeleton.tar.
set -eu
cd "$1"

mv store/overlay2 .
mkdir -p skeleton/overlay2
cp -a store/image skeleton/
cp -a overlay2/l skeleton/overlay2/
chmod 710 skeleton/overlay2
for layer in overlay2/*/; do
  id=$(basename "$layer")
  [ -d "overlay2/$id/diff" ] || continue
  mkdir -m 710 "skeleton/overlay2/$id"
  for small in link lower; do
    [ ! -e "overlay2/$id/$small" ] || cp -a "overlay2/$id/$small" "skeleton/overlay2/$id/"
  done
  # The engine takes a layer without this mark for one that it may still write to, and `docker save` for broken.
  : >"skeleton/overlay2/$id/committed"
  [ ! -e "overlay2/$id/lower" ] || mkdir -m 700 "skeleton/overlay2/$id/work"
  # Layers are only ever lower directories, so a link is as good as the folder.
  ln -s "/golden/overlay2/$id/diff" "skeleton/overlay2/$id/diff"
done
tar -C skeleton -cf skeleton.tar.new .
rm -rf skeleton store
mv skeleton.tar.new skeleton.tar
