# The first process of a sandbox, as a user without any privilege. Standard input carries labrun's own program first,
# and then what labrun and that program say to each other; when it is closed everything in here ends.
set -eu
umask 022
head -c "$LABRUN_SIZE" >/labrun/labrun
chmod 755 /labrun/labrun
# Root, but only of namespaces of its own: users, processes, mounts, and a network that leads nowhere.
exec timeout --foreground -s KILL "$LABRUN_LIFE" unshare --map-root-user --map-auto --net --mount --pid --fork \
  --kill-child --mount-proc bash -c "$LABRUN_INSIDE"
