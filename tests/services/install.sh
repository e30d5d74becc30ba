#!/usr/bin/env bash
# Real servers and clients for the tests: DCMTK, Orthanc, dicom3tools, Mosquitto, out of Debian's packages.
# Root: apt-get install (no daemon is started). Anybody else: the packages and what they need are unpacked into
# a cache, once, behind one small command each. Prints the folders to put in front of PATH.
set -euo pipefail

packages=(dcmtk orthanc dicom3tools mosquitto)
tools=(storescu echoscu storescp dcmcjpeg dcmcjpls dcmcrle dsrdump Orthanc dciodvfy mosquitto)
folder="${SRANOGAN_SERVICES:-${XDG_CACHE_HOME:-$HOME/.cache}/sranogan/services}"

missing() {
  local tool
  for tool in "${tools[@]}"; do PATH="$1" type -P "$tool" >/dev/null || echo "$tool"; done
}

system="$PATH:/usr/sbin:/usr/bin"
if [[ -z "$(missing "$system")" ]]; then
  echo /usr/sbin:/usr/bin
  exit 0
elif [[ -z "$(missing "$folder/bin")" ]]; then
  echo "$folder/bin"
  exit 0
fi
for tool in apt-get dpkg-deb; do
  command -v "$tool" >/dev/null || { echo "no $tool here: the services come from Debian packages" >&2; exit 1; }
done

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
fail() { echo "${packages[*]} cannot be had: $1: $(tail -n 1 "$work/log")" >&2; exit 1; }

if [[ "$(id -u)" == 0 ]]; then
  export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
  install=(apt-get -qq -o DPkg::Lock::Timeout=120 install --yes --no-install-recommends "${packages[@]}")
  "${install[@]}" >"$work/log" 2>&1 || { # no package lists yet, or old ones
    { apt-get -qq update && "${install[@]}"; } >>"$work/log" 2>&1 || fail "apt-get install"
  }
  [[ -z "$(missing "$system")" ]] || fail "still missing $(missing "$system" | tr '\n' ' ')"
  echo /usr/sbin:/usr/bin
  exit 0
fi

mkdir -p "$work"/{lists/partial,cache/archives/partial,debs,made/bin}
own=(-o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=)
apt-get -qq "${own[@]}" update >"$work/log" 2>&1 || fail "apt-get update"
apt-get "${own[@]}" -s --no-install-recommends install "${packages[@]}" >"$work/plan" 2>>"$work/log" || fail "plan"
needed="$(awk '$1 == "Inst" { print $2 }' "$work/plan" && printf '%s\n' "${packages[@]}")"
mapfile -t needed < <(sort -u <<<"$needed")
(cd "$work/debs" && apt-get -qq "${own[@]}" download "${needed[@]}") >>"$work/log" 2>&1 || fail "apt-get download"
for package in "$work"/debs/*.deb; do dpkg-deb -x "$package" "$work/made"; done

for tool in "${tools[@]}"; do
  path="$(cd "$work/made" && find usr/bin usr/sbin -name "$tool" -print -quit)"
  cat >"$work/made/bin/$tool" <<WRAPPER
#!/bin/sh
root="\$(dirname "\$(dirname "\$(readlink -f "\$0")")")"
export LD_LIBRARY_PATH="\$(echo "\$root"/usr/lib/*-linux-gnu)\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
export DCMDICTPATH="\$(echo "\$root"/usr/share/libdcmtk*/dicom.dic)"
exec "\$root/$path" "\$@"
WRAPPER
  chmod +x "$work/made/bin/$tool"
done
[[ -z "$(missing "$work/made/bin")" ]] || fail "still missing $(missing "$work/made/bin" | tr '\n' ' ')"
mkdir -p "$(dirname "$folder")"
rm -rf "$folder"
mv "$work/made" "$folder" # whole or not at all, where two tests fetch at once
echo "$folder/bin"
