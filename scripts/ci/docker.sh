# Docker for the integration tests, sourced by .ci/run (which defines as_root): installs docker.io, starts a daemon by
# hand where none runs, and makes the image of the tests, a minimal Debian with python3. Where one of these can't be
# done it says so and goes on: the tests of containers then skip themselves with the reason.

docker_test_image=lachesis-test:python
docker_log=$(mktemp)
# Of the daemon that start_docker started; empty where it started none.
docker_pid_file=$(mktemp)

# Ends the daemon that start_docker started, and no other.
stop_docker() {
  local pid
  pid=$(cat "$docker_pid_file" 2>/dev/null) || true
  rm -f "$docker_log" "$docker_pid_file"
  [ -n "$pid" ] || return 0
  as_root kill "$pid" 2>/dev/null || true
  for _ in $(seq 100); do
    as_root kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
}

install_docker() {
  command -v docker >/dev/null && command -v dockerd >/dev/null && command -v debootstrap >/dev/null && return
  as_root apt-get update -qq &&
    as_root apt-get install -y -qq --no-install-recommends docker.io debootstrap
}

# Without a bridge it needs no firewall; sandboxes have no network anyway. overlay2 does not work in every container.
start_docker() {
  docker info >/dev/null 2>&1 && return
  local driver log
  log=$(mktemp)
  for driver in overlay2 vfs; do
    rm -f "$log.pid"
    as_root sh -c 'nohup dockerd --iptables=false --bridge=none --group "$1" --storage-driver "$2" --pidfile "$3" >"$4" 2>&1 &' \
      sh "$(id -gn)" "$driver" "$log.pid" "$log"
    for _ in $(seq 60); do
      if docker info >/dev/null 2>&1; then
        as_root cat "$log.pid" >"$docker_pid_file"
        return
      fi
      sleep 0.5
    done
    # It did not come up, or only halfway.
    if [ -e "$log.pid" ]; then as_root kill "$(as_root cat "$log.pid")" 2>/dev/null || true; fi
    sleep 2
  done
  tail -n 5 "$log"
  return 1
}

make_docker_image() {
  docker image inspect "$docker_test_image" >/dev/null 2>&1 && return
  local rootfs made=0
  rootfs=$(mktemp -d)
  as_root debootstrap --variant=minbase --include=python3 "${DEBIAN_SUITE:-bookworm}" "$rootfs/debian" >"$rootfs/log" 2>&1 &&
    as_root tar -C "$rootfs/debian" --exclude=./var/cache --exclude=./var/lib/apt/lists --exclude=./usr/share/doc \
      --exclude=./usr/share/locale -c . | docker import - "$docker_test_image" >/dev/null || made=1
  [ "$made" = 0 ] || tail -n 5 "$rootfs/log"
  as_root rm -rf "$rootfs"
  return "$made"
}

prepare_docker() {
  install_docker || { echo "skipped: docker.io and debootstrap could not be installed"; return 0; }
  start_docker || { echo "skipped: no Docker daemon runs and none could be started"; return 0; }
  make_docker_image || echo "skipped: the image $docker_test_image could not be made"
}
