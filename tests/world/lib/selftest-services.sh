# The world's check of itself, second part: pgAdmin, balancers and the stand-in of Drupal, as a student runs them.
# shellcheck shell=bash

selftest_services() {
  local engine=$1
  in_vm docker network create services >/dev/null
  # Started first, since it takes longest; looked at last.
  in_vm docker run -d --name pgadm --network services -p 8088:8088 -e PGADMIN_LISTEN_PORT=8088 \
    -e PGADMIN_DEFAULT_EMAIL=user@itba.edu -e PGADMIN_DEFAULT_PASSWORD=p4ssw0rd dpage/pgadmin4 >/dev/null
  in_vm docker run -d --name db --network services -e POSTGRES_PASSWORD=password postgres:14.1-alpine >/dev/null
  in_vm docker run -d --name drp1 --network services -p 8081:80 -v sites:/var/www/html/sites drupal:10 >/dev/null
  in_vm docker run -d --name drp2 --network services -p 8082:80 -v sites:/var/www/html/sites drupal:10 >/dev/null
  in_vm docker run -d --name drp3 --network services -p 8083:80 drupal:10 >/dev/null
  eventually in_vm docker exec db psql -h 127.0.0.1 -U postgres -c 'SELECT 1'

  check "$engine: the Drupal stand-in sends to its installer" contains 'Location: /core/install.php' in_vm curl -fsSI http://127.0.0.1:8081/
  check "$engine: it wants pg_trgm, and makes the database" refused_with 'pg_trgm PostgreSQL extension is not present' drupal_install drp1 drupal
  in_vm docker exec db psql -qU postgres -d drupal -c 'CREATE EXTENSION pg_trgm' >/dev/null
  check "$engine: it is installed by the forms of its installer" contains 'Location: http://127.0.0.1:8081/' drupal_forms 8081 drupal
  check "$engine: and then it is a site" contains 'X-Generator: Drupal 10' in_vm curl -fsSI http://127.0.0.1:8081/
  check "$engine: another instance on the same folder is the same site" contains '<title>Welcome to Example | Example' in_vm curl -fsS http://127.0.0.1:8082/
  check "$engine: one with a folder of its own is told so" contains 'Drupal already installed' drupal_forms 8083 drupal
  check "$engine: and serves the site, by other settings" contains 'X-Generator: Drupal 10' in_vm curl -fsSI http://127.0.0.1:8083/
  check "$engine: its settings are kept from visitors" refused_with 403 in_vm curl -fsS http://127.0.0.1:8081/sites/default/settings.php
  check "$engine: a path that is not there is in the site's log and the server's" missing_page_logged
  check "$engine: a form of an instance with another salt is outdated" foreign_form
  check "$engine: drupal:latest wants PostgreSQL 16" refused_with 'less than the minimum required version 16' \
    in_vm docker run --rm --network services drupal drupal-standin-install --db-host db --db-password password
  check "$engine: drupal:9 does without pg_trgm, and tables can have a prefix" contains 'nine_key_value' older_with_prefix

  check "$engine: nginx knows every way to balance" nginx_balances
  check "$engine: nginx shares the load between two sites" contains '5 5' shares nginx:latest /etc/nginx/conf.d/default.conf \
    'upstream two { zone z 64k; server drp1; server drp2; } server { listen 80; location / { proxy_pass http://two; } }'
  check "$engine: nginx balances streams, as the official build" contains '5 5' shares nginx:latest /etc/nginx/nginx.conf \
    'worker_processes 1; events {} stream { upstream two { server drp1:80; server drp2:80; } server { listen 80; proxy_pass two; } }'
  check "$engine: haproxy shares the load between two sites" contains '5 5' shares haproxy:latest /usr/local/etc/haproxy/haproxy.cfg "$(haproxy_config http)"
  check "$engine: and between two ports" contains '5 5' shares haproxy:latest /usr/local/etc/haproxy/haproxy.cfg "$(haproxy_config tcp)"
  check "$engine: haproxy without a configuration ends" refused_with 'haproxy.cfg' in_vm docker run --rm haproxy

  in_vm docker stop -t 1 db >/dev/null
  check "$engine: without its database the site is in error" contains 500 in_vm curl -sS -o /dev/null -w '%{http_code}' http://127.0.0.1:8081/

  check "$engine: pgAdmin without an account refuses to start" refused_with 'You need to define' in_vm docker run --rm dpage/pgadmin4
  check "$engine: pgAdmin dies on a folder that is root's, as the hand-out has it" refused_with 'Failed to create the directory /var/lib/pgadmin' \
    in_vm docker run --rm -e PGADMIN_DEFAULT_EMAIL=user@itba.edu -e PGADMIN_DEFAULT_PASSWORD=p4ssw0rd \
    -v /home/linux-user/admin_vol:/var/lib/pgadmin dpage/pgadmin4
  check "$engine: pgAdmin answers on the port that it is told" pgadmin_ready
  check "$engine: it is user 5050's, and so is its volume" contains $'5050\n5050' in_vm docker exec pgadm stat -c %u /proc/1 /var/lib/pgadmin/pgadmin4.db
  check "$engine: it lets its account in" contains 'Location: /browser/' pgadmin_login p4ssw0rd
  check "$engine: and nobody else" contains 'Location: /login' pgadmin_login other
  in_vm docker rm -f pgadm db drp1 drp2 drp3 >/dev/null
}

drupal_install() { in_vm docker exec "$1" drupal-standin-install --db-host db --db-password password --db "$2"; }

# The forms of the installer on PORT, filled in as a student would with the site in the database DB.
drupal_forms() {
  in_vm bash -c '
    url="http://127.0.0.1:$1/core/install.php" driver="Drupal\\pgsql\\Driver\\Database\\pgsql"
    post() { local query=$1; shift; curl -sS -i --max-time 20 "$url$query" "$@"; }
    post "" -d langcode=en >/dev/null
    post "?langcode=en" -d profile=standard >/dev/null
    post "?langcode=en&profile=standard" --data-urlencode "driver=$driver" --data-urlencode "$driver[host]=db" \
      --data-urlencode "$driver[database]=$2" --data-urlencode "$driver[username]=postgres" --data-urlencode "$driver[password]=password" >/dev/null
    post "?langcode=en&profile=standard" -d site_name=Example -d site_mail=a@example.com -d "account[name]=admin" \
      -d "account[pass][pass1]=secret" -d "account[pass][pass2]=secret"' bash "$1" "$2"
}

missing_page_logged() {
  local nonce="nonce-$RANDOM"
  contains 404 in_vm curl -sS -o /dev/null -w '%{http_code}' "http://127.0.0.1:8081/$nonce" &&
    contains "\"GET /$nonce HTTP/1.1\" 404" in_vm docker logs drp1 &&
    contains "http://127.0.0.1:8081/$nonce" in_vm docker exec db psql -U postgres -Atc "SELECT location FROM watchdog WHERE type = 'page not found'" drupal
}

# One session, one form: it is right on the instance that shares the settings, and outdated on the one that does not.
foreign_form() {
  in_vm bash -c '
    page() { local url=$1; shift; curl -sS -i --max-time 10 -b jar -c jar "http://127.0.0.1:$url" "$@"; }
    page 8081/user/login -d name=admin -d pass=secret -d form_id=user_login_form | grep -q "^HTTP/1.1 303" || exit 1
    token=$(page 8081/node/add/article | sed -n "s/.*name=\"form_token\" value=\"\([^\"]*\)\".*/\1/p")
    page 8083/node/add/article -d "form_token=$token" -d "title[0][value]=one" | grep "The form has become outdated" &&
    page 8082/node/add/article -d "form_token=$token" -d "title[0][value]=two" | grep "^Location: http://127.0.0.1:8082/node/1"'
}

older_with_prefix() {
  in_vm docker run --rm --network services drupal:9 drupal-standin-install --db-host db --db-password password --db nine --prefix nine_ &&
    in_vm docker exec db psql -U postgres -Atc "SELECT tablename FROM pg_tables WHERE tablename LIKE 'nine%'" nine
}

nginx_balances() {
  in_vm docker run --rm nginx bash -c 'printf "%s" "$1" >/etc/nginx/nginx.conf && nginx -t' bash '
    events {}
    http {
      upstream weighted { server 127.0.0.1:1 weight=3; server 127.0.0.1:2; server 127.0.0.1:3 backup; keepalive 4; }
      upstream hashed { hash $uri consistent; server 127.0.0.1:1; server 127.0.0.1:2; }
      upstream least { least_conn; server 127.0.0.1:1; server 127.0.0.1:2; }
      upstream sticky { ip_hash; server 127.0.0.1:1; server 127.0.0.1:2; }
      upstream any { random two least_conn; server 127.0.0.1:1; server 127.0.0.1:2; }
      split_clients $request_id $half { 50% weighted; * hashed; }
      proxy_cache_path /tmp/cache keys_zone=kept:1m;
      server {
        listen 80;
        location / { proxy_pass http://$half; mirror /mirror; proxy_cache kept; proxy_next_upstream error; }
        location /mirror { internal; proxy_pass http://least; }
        location /sticky { proxy_pass http://sticky; }
        location /any { proxy_pass http://any; }
        location /away { return 302 http://127.0.0.1:8081$request_uri; }
      }
    }'
}

haproxy_config() {
  printf '%s\n' defaults "mode $1" 'timeout connect 5s' 'timeout client 10s' 'timeout server 10s' \
    'listen site' 'bind :80' 'balance roundrobin' 'server drp1 drp1:80 check' 'server drp2 drp2:80 check'
}

# shares IMAGE FILE CONFIG: ten requests through a balancer; says how many of them each site logged.
shares() {
  local nonce="share-$RANDOM"
  in_vm bash -c '
    docker rm -f lb >/dev/null 2>&1; mkdir -p lb; printf "%s\n" "$3" >lb/config
    docker run -d --name lb --network services -p 8090:80 -v "$PWD/lb/config:$2:ro" "$1" >/dev/null
    curl -sS -o /dev/null --retry 20 --retry-delay 1 --retry-all-errors --max-time 3 http://127.0.0.1:8090/ready.txt || { docker logs lb; exit 1; }
    for i in $(seq 10); do curl -sS -o /dev/null --max-time 5 "http://127.0.0.1:8090/$4-$i.txt"; done
    echo $(docker logs drp1 2>&1 | grep -c "GET /$4-") $(docker logs drp2 2>&1 | grep -c "GET /$4-")
    docker rm -f lb >/dev/null' bash "$1" "$2" "$3" "$nonce"
}

pgadmin_ready() {
  local _
  for _ in $(seq 90); do contains pgAdmin in_vm curl -fsS --max-time 3 http://127.0.0.1:8088/login >/dev/null && return; sleep 0.5; done
  in_vm docker logs pgadm; return 1
}

# pgadmin_login PASSWORD: the answer to the login form.
pgadmin_login() {
  in_vm bash -c 'rm -f jar; url=http://127.0.0.1:8088
    token=$(curl -sS --max-time 20 -c jar $url/login | sed -n "s/.*\"csrfToken\": \"\([^\"]*\)\".*/\1/p")
    curl -sS -i --max-time 20 -b jar $url/authenticate/login --data-urlencode "csrf_token=$token" -d email=user@itba.edu -d "password=$1"' bash "$1"
}
