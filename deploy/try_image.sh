#!/usr/bin/env bash
# Builds the CPU image without Docker and runs the service in it against a drawn clip: as its user, without capabilities,
# with a read-only root.
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
build bud --isolation chroot --format docker --build-arg BASE=localhost/base --ignorefile "$root/deploy/Dockerfile.dockerignore" \
    -f "$root/deploy/Dockerfile" --target cpu -t streamer:cpu "$@" "$root"

# The service in it: one drawn camera, alerts into a file, until SIGTERM. Prints what /livez, /readyz and doctor say.
"$python" "$root/deploy/compose/draw_street.py" "$work/street"
mkdir -p "$work/etc"
sed -e '/^redis:/d; /^web:/,/^ *demo:/d' -e 's/^http:.*/http: {host: 127.0.0.1, port: 19095}\nweb: null/' \
    -e '/^  avenue:/,$d' "$root/deploy/compose/cameras.yaml" >"$work/etc/cameras.yaml"
printf 'jsonl: {path: /var/lib/streamer/alerts.jsonl}\n' >>"$work/etc/cameras.yaml"
image=$(build mount "$(build from --pull-never localhost/streamer:cpu)")
mkdir -p "$image/street"
rm -rf "$work/data"
install --directory --owner 10001 --group 10001 "$work/data"

# A command in the image; mounts are this command's own and go with it.
inside() {
    unshare --mount bash -euc '
        image=$0 work=$1
        shift
        mount --bind "$image" "$image"
        mount --bind "$work/data" "$image/var/lib/streamer"
        mount --bind "$work/etc" "$image/etc/streamer"
        mount --bind "$work/street" "$image/street"
        mount --bind /dev "$image/dev"
        mount -t proc proc "$image/proc"
        mount -t tmpfs tmpfs "$image/tmp"
        mount -o remount,ro,bind "$image"
        exec chroot "$image" env -i PATH=/opt/streamer/bin:/usr/bin:/bin PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
            XDG_CACHE_HOME=/var/lib/streamer/cache setpriv --reuid=10001 --regid=10001 --clear-groups --inh-caps=-all \
            --bounding-set=-all --no-new-privs "$@"
    ' "$image" "$work" "$@"
}
inside grep -E '^(Uid|CapEff|CapBnd|NoNewPrivs)' /proc/self/status
inside streamer doctor /etc/streamer/cameras.yaml || true # no Redis in this configuration
health=$(build inspect --type image localhost/streamer:cpu |
    "$python" -c 'import json, sys; print(json.dumps(json.load(sys.stdin)["Docker"]["config"]["Healthcheck"]["Test"]))')
inside env STREAMER_LIVEZ=http://127.0.0.1:19095/livez HEALTHCHECK="$health" python3 -c '
import json, os, pathlib, signal, subprocess, time, urllib.request
service = subprocess.Popen(["streamer", "run", "/etc/streamer/cameras.yaml", "--log-format", "json"])
alerts, deadline_s = pathlib.Path("/var/lib/streamer/alerts.jsonl"), time.monotonic() + 120
while not (alerts.exists() and alerts.stat().st_size):
    assert service.poll() is None, "the service ended"
    assert time.monotonic() < deadline_s, "no alert in two minutes"
    time.sleep(0.5)
for page in ("livez", "readyz"):
    print(page, urllib.request.urlopen(f"http://127.0.0.1:19095/{page}").read().decode())
asked = subprocess.run(json.loads(os.environ["HEALTHCHECK"])[1:]).returncode
print("health check:", asked)
first = json.loads(alerts.read_text().splitlines()[0])
print("first alert:", first["kind"], first["reason"]["text"])
for place in ("/opt/streamer/written", "/etc/streamer/written", "/written"):
    try:
        pathlib.Path(place).touch()
    except OSError as error:
        print(place, error.strerror)
    else:
        raise SystemExit(f"{place} could be written")
assert asked == 0
service.send_signal(signal.SIGTERM)
assert service.wait(15) == 0, "it did not end in order"
print("ended in order")
'
echo "size: $(du -sm "$image" | cut -f1) MB, of them the base $(($(stat -c %s "$work/base.tar") / 1000000)) MB"
