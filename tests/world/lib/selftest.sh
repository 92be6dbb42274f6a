# The world's check of itself: what the tests of labrun rely on, asked of a real VM per engine.
# shellcheck shell=bash

n_passed=0 n_failed=0

# check NAME COMMAND…: passes when the command does; shows what it printed when it does not.
check() {
  local name=$1 out; shift
  if out=$("$@" 2>&1); then
    n_passed=$((n_passed + 1)); printf 'ok    %s\n' "$name"
  else
    n_failed=$((n_failed + 1)); printf 'FAIL  %s\n' "$name"; printf '%s\n' "$out" | tail -n 8 | sed 's/^/      | /'
  fi
}

# hold NAME ENGINE: a VM, its holder's PID in HOLDER, the write end of its lifeline in LIFELINE.
hold() {
  local in="$SCRATCH/$1.in" deadline=$((SECONDS + 35))
  mkfifo "$in"
  "$WORLD/world" vm --name "$1" --engine "$2" <"$in" >"$SCRATCH/$1.out" 2>"$SCRATCH/$1.err" &
  HOLDER=$!
  exec {LIFELINE}>"$in"
  until grep -q "^ready $1 " "$SCRATCH/$1.out"; do
    if ! kill -0 "$HOLDER" 2>/dev/null || [ $SECONDS -ge $deadline ]; then cat "$SCRATCH/$1.err"; return 1; fi
    sleep 0.05
  done
}

in_vm() { d exec -i --user linux-user --workdir /home/linux-user --env HOME=/home/linux-user "$VM" timeout 30 "$@" </dev/null; }
not() { ! "$@"; }
# contains TEXT COMMAND…: the command succeeds and prints TEXT.
contains() { local want=$1 out; shift; out=$("$@" 2>&1) || { echo "$out"; return 1; }; echo "$out"; [[ $out == *"$want"* ]]; }
# refused_with TEXT COMMAND…: the command fails, and for the reason TEXT.
refused_with() { local want=$1 out; shift; if out=$("$@" 2>&1); then echo "not refused: $out"; return 1; fi; echo "$out"; [[ $out == *"$want"* ]]; }
eventually() { local _; for _ in $(seq 100); do "$@" >/dev/null 2>&1 && return; sleep 0.1; done; "$@"; }

cmd_selftest() {
  local engines=26 engine
  while [ $# -gt 0 ]; do
    case $1 in
      --engine) engines=$(engine_list "${2:-}") || exit; shift 2 ;;
      *) usage_error "selftest: unknown option $1" ;;
    esac
  done
  engine_need
  SCRATCH=$(mktemp -d)
  trap 'rm -rf "$SCRATCH"' EXIT
  for engine in $engines; do selftest_engine "$engine"; done
  check "the building engine has none of our images under another name" no_borrowed_names
  check "a VM's options can be refused: an unknown engine" refused_with 'no such engine' "$WORLD/world" vm --engine 99
  printf '%d passed, %d failed\n' $n_passed $n_failed
  [ $n_failed = 0 ]
}

selftest_engine() {
  local engine=$1 started=$SECONDS
  VM="selftest-$engine-$$"
  say "engine $engine"
  if ! hold "$VM" "$engine"; then
    check "$engine: a VM comes up" false
    return
  fi
  check "$engine: a VM comes up (within $((SECONDS - started)) s)" contains " $engine " vm_rows
  check "$engine: its engine is version $engine" contains "$engine." in_vm docker version --format '{{.Server.Version}}'
  check "$engine: every image of the table is there under upstream's names" images_there
  check "$engine: and nothing else is" only_upstream_names

  check "$engine: postgres without a password refuses to start" \
    refused_with 'superuser password is not specified' in_vm docker run --rm postgres:14.1-alpine
  in_vm docker volume create selftest-data >/dev/null
  selftest_postgres 14.1-alpine
  check "$engine: postgres answers over TCP with its password" contains 42 psql_with right 'SELECT 42'
  check "$engine: and refuses another" refused_with 'password authentication failed' psql_with wrong 'SELECT 42'
  check "$engine: it is PostgreSQL 14" contains 'PostgreSQL 14.' psql_with right 'SELECT version()'
  check "$engine: pg_trgm can be created" contains 'CREATE EXTENSION' psql_with right 'CREATE EXTENSION pg_trgm'
  check "$engine: the server runs as uid 70" contains 70 in_vm docker exec ams stat -c %u /proc/1
  check "$engine: bash and python3 are in the image" in_vm docker exec ams bash -c 'python3 -c "import http.server"'
  psql_with right "CREATE TABLE kept AS SELECT 'still here' AS t" >/dev/null
  in_vm docker rm -f ams >/dev/null
  selftest_postgres 14.1-alpine
  check "$engine: data on a named volume survives a new container" contains 'still here' psql_with right 'SELECT t FROM kept'
  in_vm docker rm -f ams >/dev/null
  check "$engine: a later tag is a later PostgreSQL, and refuses the older one's data" later_refuses
  check "$engine: a bind-mounted data folder becomes uid 70's" bind_mount_works

  in_vm docker run -d --name web -p 8080:80 nginx >/dev/null
  check "$engine: nginx answers on its published port" eventually contains 'Welcome to nginx' in_vm curl -fsS --max-time 2 http://127.0.0.1:8080/
  check "$engine: the curl image reaches it by address" contains 'Welcome to nginx' \
    in_vm bash -c 'docker run --rm curlimages/curl -fsS --max-time 5 "http://$(docker inspect -f "{{.NetworkSettings.IPAddress}}" web)/"'
  check "$engine: and not on a port where nobody listens" refused_with '(7)' \
    in_vm bash -c 'docker run --rm curlimages/curl -sS --max-time 5 "http://$(docker inspect -f "{{.NetworkSettings.IPAddress}}" web):81/"'
  check "$engine: network-multitool shows its interfaces" contains 'eth0' in_vm docker run --rm wbitt/network-multitool ip a
  check "$engine: ubuntu has ps and runs as another user" contains '1234' in_vm docker run --rm --user 1234 ubuntu ps -eo uid,args
  check "$engine: names resolve on a network of their own, and network-multitool answers there" composed_network

  selftest_services "$engine"

  check "$engine: psql is not in the VM" not in_vm sh -c 'command -v psql'
  check "$engine: apt-get installs postgresql-client without a network" \
    in_vm sudo unshare --net apt-get install -y postgresql-client
  check "$engine: and then psql is there" contains 'psql (PostgreSQL)' in_vm psql --version
  check "$engine: ssh lets linux-user in with the password" contains docker ssh_with linux
  check "$engine: and not with another" refused_with 'ermission denied' ssh_with other
  check "$engine: a killed engine can be started again in the VM" engine_again

  local other="selftest-second-$engine-$$" first=$HOLDER first_lifeline=$LIFELINE
  check "$engine: a second VM comes up beside it" hold "$other" "$engine"
  # (check runs its command in a subshell, whose end of the lifeline is closed by now.)
  check "$engine: a VM whose lifeline was closed is gone within 5 s" gone_soon "$other"
  check "$engine: the first is still there" in_vm true
  kill -9 "$first"; wait "$first" 2>/dev/null
  check "$engine: a VM whose holder was killed with -9 is gone within 5 s" gone_soon "$VM"
  exec {first_lifeline}>&-
}

selftest_postgres() {
  in_vm docker run -d --name ams -e POSTGRES_PASSWORD=right -v selftest-data:/var/lib/postgresql/data "postgres:$1" >/dev/null
  # Over TCP, as the socket answers already while the first start is under way; and with a query, as the port is
  # open before a server that was killed has recovered.
  eventually in_vm docker exec ams psql -h 127.0.0.1 -U postgres -c 'SELECT 1'
}

# psql_with PASSWORD SQL: from another container, by address, as no `trust` line of pg_hba.conf covers it.
psql_with() {
  in_vm bash -c 'docker run --rm -e PGPASSWORD="$1" -e PGCONNECT_TIMEOUT=5 postgres:14.1-alpine \
    psql -X -At -h "$(docker inspect -f "{{.NetworkSettings.IPAddress}}" ams)" -U postgres -c "$2"' bash "$1" "$2"
}

images_there() {
  local upstream tag
  while read -r _ _ _ _ upstream; do
    for tag in ${upstream//,/ }; do in_vm docker image inspect --format '{{.Id}}' "$tag" || return; done
  done < <(rows "$TABLE")
}

only_upstream_names() {
  local names
  names=$(in_vm docker images --format '{{.Repository}}:{{.Tag}}' | sort)
  diff <(rows "$TABLE" | awk '{ print $5 }' | tr , '\n' | sort) - <<<"$names"
}

later_refuses() {
  contains 'postgres (PostgreSQL) 16.' in_vm docker run --rm postgres:16-alpine postgres --version &&
    refused_with 'incompatible with server' in_vm docker run --rm -v selftest-data:/var/lib/postgresql/data postgres:16-alpine
}

bind_mount_works() {
  in_vm docker run -d --name bound -e POSTGRES_PASSWORD=right -v /home/linux-user/pgdata:/var/lib/postgresql/data postgres:14.1-alpine || return
  eventually in_vm sudo test -s /home/linux-user/pgdata/postmaster.pid && contains 70 in_vm stat -c %u /home/linux-user/pgdata
}

composed_network() {
  in_vm docker network create selftest-net && in_vm docker network connect selftest-net web &&
    in_vm docker run -d --network selftest-net --name tool wbitt/network-multitool &&
    contains 'Welcome to nginx' in_vm docker exec tool curl -fsS --max-time 5 http://web/ &&
    contains 'MultiTool' in_vm docker run --rm --network selftest-net curlimages/curl -fsS --retry 5 --retry-connrefused --max-time 5 http://tool/
}

# From inside the VM, so that this machine needs neither sshpass nor a published port.
ssh_with() {
  in_vm bash -c 'printf "#!/bin/sh\necho %s\n" "$1" >askpass; chmod 700 askpass
    SSH_ASKPASS=./askpass SSH_ASKPASS_REQUIRE=force ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
      -o NumberOfPasswordPrompts=1 -o ConnectTimeout=5 linux-user@127.0.0.1 id -nG' bash "$1"
}

engine_again() {
  in_vm sudo pkill -9 -x dockerd
  refused_with 'Cannot connect' in_vm docker ps && in_vm sudo start-dockerd && contains web in_vm docker ps -a
}

gone_soon() { local _; for _ in $(seq 50); do d inspect "$1" >/dev/null 2>&1 || return 0; sleep 0.1; done; d ps -a; return 1; }

no_borrowed_names() {
  local names
  names=$(d images --filter "label=$NS" --format '{{.Repository}}:{{.Tag}}' | grep -v -e "^$NS/" -e '^<none>') || return 0
  echo "$names"; return 1
}
