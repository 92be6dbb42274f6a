# The first process of the namespaces in a sandbox: a network with an address and no way out, an engine, and labrun.
set -eu
# Nobody else in here may hold the lifeline.
exec 3<&0 </dev/null
ip link set lo up
# An interface that leads nowhere, so that the machine has an address of its own as any other has.
ip link add eth0 type veth peer name nowhere
ip address add 10.0.2.15/24 dev eth0
ip link set eth0 up
ip link set nowhere up
mount -t tmpfs -o mode=755,size=64m run /run
mkdir -p /run/user
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/home/student XDG_RUNTIME_DIR=/run/user
dockerd --rootless --log-level error --data-root /var/lib/docker --exec-root /run/docker --pidfile /run/docker.pid \
  -H unix:///run/docker.sock --storage-driver overlay2 --log-opt max-size=8m --log-opt max-file=2 \
  3<&- >/dev/null 2>&1 &
/labrun/labrun helper --machine "$HOME" <&3 3<&- &
# Whoever waits takes leave of every orphan; when labrun ends, so does everything.
wait $!
