#!/usr/bin/env bash
# Builds the CPU image without Docker and runs the service in it, as its user, against a drawn clip:
#   deploy/try_image.sh FOLDER [more options of `buildah bud`]
# Needs Debian, root, and the packages buildah and debootstrap. FOLDER keeps base and image; a second run takes the base.
set -euo pipefail
work=$(realpath -m "${1:?name a folder with room for 4 GB}")
shift
root=$(realpath "$(dirname "$0")/..")
python=${PYTHON:-$root/.venv/bin/python}
mkdir -p "$work"

# A Debian with Python in the place of python:slim: nothing has to be pulled from a registry of images.
if [ ! -f "$work/base.tar" ]; then
    debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$work/base" >"$work/base.log"
    rm -rf "$work/base/var/cache/apt/archives" "$work/base/var/lib/apt/lists"
    tar --numeric-owner -C "$work/base" -cf "$work/base.tar" .
    rm -rf "$work/base"
fi
build() { buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs "$@"; }
trap 'build rm --all >/dev/null' EXIT
if ! build inspect --type image base >/dev/null 2>&1; then
    printf 'FROM scratch\nADD base.tar /\n' >"$work/base.dockerfile"
    build bud --isolation chroot -f "$work/base.dockerfile" -t base "$work"
fi
build bud --isolation chroot --build-arg BASE=localhost/base --ignorefile "$root/deploy/Dockerfile.dockerignore" \
    -f "$root/deploy/Dockerfile" --target cpu -t streamer:cpu "$@" "$root"

# The service in it: one drawn camera, alerts into a file, until SIGTERM. Prints what /livez, /readyz and doctor say.
"$python" "$root/deploy/compose/draw_street.py" "$work/street"
mkdir -p "$work/etc"
sed -e '/^redis:/d; /^web:/,/^ *demo:/d' -e 's/^http:.*/http: {host: 127.0.0.1, port: 19095}\nweb: null/' \
    -e '/^  avenue:/,$d' "$root/deploy/compose/cameras.yaml" >"$work/etc/cameras.yaml"
printf 'jsonl: {path: /var/lib/streamer/alerts.jsonl}\n' >>"$work/etc/cameras.yaml"
container=$(build from --pull-never localhost/streamer:cpu)
inside() { build run --isolation chroot -v "$work/etc:/etc/streamer:ro" -v "$work/street:/street:ro" "$container" -- "$@"; }
inside id
inside streamer doctor /etc/streamer/cameras.yaml || true # no Redis in this configuration
inside env STREAMER_LIVEZ=http://127.0.0.1:19095/livez python3 -c '
import json, os, pathlib, signal, subprocess, time, urllib.request
service = subprocess.Popen(["streamer", "run", "/etc/streamer/cameras.yaml", "--log-format", "json"])
alerts, deadline_s = pathlib.Path("/var/lib/streamer/alerts.jsonl"), time.monotonic() + 120
while not (alerts.exists() and alerts.stat().st_size):
    assert service.poll() is None, "the service ended"
    assert time.monotonic() < deadline_s, "no alert in two minutes"
    time.sleep(0.5)
for page in ("livez", "readyz"):
    print(page, urllib.request.urlopen(f"http://127.0.0.1:19095/{page}").read().decode())
first = json.loads(alerts.read_text().splitlines()[0])
print("first alert:", first["kind"], first["reason"]["text"])
try:
    pathlib.Path("/opt/streamer/written").touch()
    raise SystemExit("the user of the image can change what it runs")
except PermissionError:
    pass
service.send_signal(signal.SIGTERM)
assert service.wait(15) == 0, "it did not end in order"
print("ended in order")
'
echo "size: $(du -sm "$(build mount "$container")" | cut -f1) MB, of them the base $(($(stat -c %s "$work/base.tar") / 1000000)) MB"
