# The stand-in images, one row each in images/table, built as labrun-world/<name>:<key>.
# They get upstream's names only inside a student VM (lib/golden.sh), never on this engine.
# shellcheck shell=bash

TABLE="$WORLD/images/table"

# The sandbox's recipe is the product's own.
images_key() { key_of lib/images.sh images ../../sandbox/Dockerfile -- "$(base_key base)" "$(base_key fat)" "$(base_key sandbox)"; }
image_ref() { echo "$NS/$1:$(images_key)"; }

# images_build: does nothing when the engine has them all.
images_build() {
  local name folder base args missing=
  while read -r name _; do
    d image inspect "$(image_ref "$name")" >/dev/null 2>&1 || missing=1
  done < <(rows "$TABLE")
  [ -n "$missing" ] || return 0
  base_build base
  base_build fat
  base_build sandbox
  while read -r name folder base args _ <&3; do
    image_build "$name" "$folder" "$base" "$args"
  done 3< <(rows "$TABLE")
}

# image_build NAME FOLDER BASE ARGS: the context is the folder plus what its `fetch` brings.
image_build() {
  local name=$1 folder=$2 base=$3 args=() arg tool context options=()
  [ "$4" = - ] || IFS=, read -ra args <<<"$4"
  for arg in "${args[@]}"; do options+=(--build-arg "$arg"); done
  step "image $name"
  context=$(context_of "images/$folder")
  if [ -f "$context/fetch" ]; then
    mkdir -p "$STATE/downloads"
    # A tool, or TOOL=PACKAGE where Debian's package has another name.
    # shellcheck disable=SC2013  # words
    for tool in $(sed -n 's/^# needs: //p' "$context/fetch"); do
      command -v "${tool%=*}" >/dev/null || { step "installing on the host: ${tool#*=}"; apt_install "${tool#*=}"; }
    done
    quietly "fetch-$name" env "${args[@]}" WORLD="$WORLD" WORLD_DOWNLOADS="$STATE/downloads" bash "$context/fetch" "$context"
  fi
  build "image-$name" "$context" "$(image_ref "$name")" --build-arg "BASE=$(base_image "$base")" "${options[@]}"
  rm -rf "$context"
}

# Our images of older recipes; docker keeps those that a VM still runs.
images_forget_old() {
  local keep image
  # shellcheck disable=SC2046,SC2086  # lists
  keep=$(for name in base fat sandbox $(printf 'vm-%s ' $ENGINES $LATER_ENGINES); do base_image "$name"; done
         rows "$TABLE" | while read -r name _; do image_ref "$name"; done)
  d images --filter "label=$NS" --format '{{.Repository}}:{{.Tag}}' | grep "^$NS/" | grep -v "^$NS/vm:" |
    grep -vxF "$keep" | while read -r image; do d rmi "$image" >/dev/null 2>&1; done
  d images -q --filter dangling=true --filter "label=$NS" | while read -r image; do d rmi "$image" >/dev/null 2>&1; done
}

# A copy of a recipe folder to build from, readable by all whatever umask it was checked out with.
context_of() {
  local context
  context=$(scratch)
  cp -a "$WORLD/$1/." "$context"
  chmod -R a+rX,go-w "$context"
  echo "$context"
}

# build LOG CONTEXT IMAGE OPTION…: `docker build` with either builder; nothing is pulled or downloaded.
build() {
  BUILT=1
  local log=$1 context=$2 image=$3; shift 3
  quietly "$log" env BUILDX_BUILDER=default "${DOCKER[@]}" build --label "$NS=image" "$@" -t "$image" "$context"
}
