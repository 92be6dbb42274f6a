# Names, progress lines, privileges, keys and the lock: what every other part of the world uses.
# shellcheck shell=bash

STATE="${LABRUN_WORLD_HOME:-$HOME/.cache/labrun-world}"
NS=labrun-world                         # our namespace among the images, our label on everything
ENGINES="26 20"                         # the engine versions a student VM can have: `all`
LATER_ENGINES="28"                      # and those that are made only when asked for by number

BUILT=                                  # has this setup made anything new?

t0=$SECONDS
say()  { printf 'world: %s\n' "$*" >&2; }
step() { printf 'world: [%4d s] %s\n' "$((SECONDS - t0))" "$*" >&2; }
die()  { printf 'world: error: %s\n' "$*" >&2; exit 1; }
usage_error() { printf 'world: %s (try: world help)\n' "$*" >&2; exit 2; }

# Root's work, whether this is root or a user who may sudo.
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# `docker` as this user may call it. engine_find changes it where only root may.
DOCKER=(docker)
d() { "${DOCKER[@]}" "$@"; }

# Runs a noisy command with its output in a log; shows the log's tail only when it fails.
quietly() {
  local log="$STATE/log/$1.log"; shift
  mkdir -p "$STATE/log"
  if ! "$@" >"$log" 2>&1; then
    tail -n 25 "$log" | sed 's/^/  | /' >&2
    die "failed: $* (whole log: $log)"
  fi
}

# A file or folder for the time of one setup; the next one sweeps what a killed one left.
scratch() { mkdir -p "$STATE/tmp" && mktemp -d -p "$STATE/tmp"; }

# One short hash over the names and contents of the given recipe files and folders, and of extra words:
# key_of FILE… -- WORD…  (A README makes no image.)
key_of() {
  local files=()
  while [ $# -gt 0 ] && [ "$1" != -- ]; do files+=("$1"); shift; done
  { (cd "$WORLD" && find "${files[@]}" -type f ! -name README.md -print0 | LC_ALL=C sort -z | xargs -0 sha256sum)
    printf '%s\n' "$@"; } | sha256sum | cut -c1-12
}

# The lines of a table or a package list without comments and blank lines.
rows() { sed -e 's/[[:space:]]*#.*//' -e '/^[[:space:]]*$/d' "$1"; }

# One setup or clean at a time. Daemons must be started with 9>&-, or they would hold the lock for ever.
lock_world() {
  mkdir -p "$STATE"
  exec 9>"$STATE/lock"
  flock -n 9 && return
  say "another setup or clean is at work: waiting for it"
  flock -w 1800 9 || die "still locked after half an hour: $STATE/lock"
}

# 26, 20 or all, as the engines meant.
engine_list() { if [ "$1" = all ]; then echo "$ENGINES"; else check_engine_name "$1"; echo "$1"; fi; }

check_engine_name() {
  case " $ENGINES $LATER_ENGINES " in *" $1 "*) ;; *) usage_error "no such engine: $1 (there are: $ENGINES $LATER_ENGINES)" ;; esac
}
