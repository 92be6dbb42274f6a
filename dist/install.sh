#!/bin/sh
# Installs labrun from the release beside this file, for whoever runs it, or takes it away again.
#
#   sh install.sh                      into ~/.local (bin, share/man, completions)
#   sh install.sh --prefix /usr/local  for everybody on this machine
#   sh install.sh --uninstall          [--prefix DIR] takes away what was put there, and nothing else
#
# The archive is that of this machine's processor; it is installed only if SHA256SUMS speaks of it and agrees.
set -eu

prefix=${PREFIX:-${HOME:?}/.local}
action=install
while [ $# -gt 0 ]; do
  case $1 in
    --prefix) prefix=${2:?--prefix DIR}; shift 2 ;;
    --uninstall) action=uninstall; shift ;;
    *) sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
  esac
done

fail() { echo "install.sh: $*" >&2; exit 1; }

# What was installed, a line each: folders that were made, the outermost first, and files; all below the prefix.
list=$prefix/share/labrun/installed

uninstall() {
  [ -f "$list" ] || fail "no labrun was installed in $prefix by this script"
  installed=$(cat "$list")
  # The innermost first; a folder that others have put something into stays.
  echo "$installed" | sed '1!G;h;$!d' | while IFS= read -r name; do
    case $name in
      ./) rmdir "$prefix" 2>/dev/null || true ;;
      */) rmdir "$prefix/$name" 2>/dev/null || true ;;
      *) rm -f "$prefix/$name" ;;
    esac
  done
}

if [ "$action" = uninstall ]; then
  uninstall
  echo "labrun is gone from $prefix"
  exit 0
fi

here=$(cd "$(dirname "$0")" && pwd)
[ "$(uname -s)" = Linux ] || fail "labrun runs on Linux; elsewhere in a container or in WSL"
set -- "$here"/labrun-*-"$(uname -m)"-*.tar.gz
[ -f "$1" ] || fail "no archive for $(uname -m) in $here"
[ $# = 1 ] || fail "several archives for $(uname -m) in $here: leave the one you want"
archive=$(basename "$1")

grep -F "  $archive" "$here/SHA256SUMS" > /dev/null || fail "SHA256SUMS does not speak of $archive"
(cd "$here" && grep -F "  $archive" SHA256SUMS | sha256sum --check --status -) ||
  fail "$archive is not what SHA256SUMS says: get both again"

unpacked=$(mktemp -d)
trap 'rm -rf "$unpacked"' EXIT
tar -xzf "$here/$archive" -C "$unpacked"
tree=$unpacked/${archive%.tar.gz}
"$tree/bin/labrun" --version > /dev/null || fail "$archive does not run here"

# An earlier version goes first, with what only it had.
[ ! -f "$list" ] || uninstall

# Makes a folder and those it lies in; says which were not there.
make_folder() {
  [ ! -d "$prefix/$1" ] || return 0
  case $1 in */*) make_folder "${1%/*}" ;; esac
  mkdir "$prefix/$1"
  echo "$1/" >> "$unpacked/installed"
}

[ -d "$prefix" ] || { mkdir -p "$prefix" && echo ./ >> "$unpacked/installed"; }
make_folder share/labrun
(cd "$tree" && find bin share -type f | sort) > "$unpacked/files"
while IFS= read -r file; do
  make_folder "${file%/*}"
  mode=644
  [ "${file%%/*}" != bin ] || mode=755
  install -m "$mode" "$tree/$file" "$prefix/$file"
  echo "$file" >> "$unpacked/installed"
done < "$unpacked/files"
echo share/labrun/installed >> "$unpacked/installed"
install -m 644 "$unpacked/installed" "$list"

"$prefix/bin/labrun" --version
echo "is in $prefix/bin; to take it away again: sh install.sh --uninstall --prefix $prefix"
case :$PATH: in
  *:"$prefix/bin":*) ;;
  *) echo "$prefix/bin is not in PATH: add it, or call labrun by its whole name" ;;
esac
