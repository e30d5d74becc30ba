#!/usr/bin/env bash
# Real servers and clients for the tests, out of Debian's packages: DCMTK, Orthanc, dicom3tools, Mosquitto, Chromium,
# Prometheus' promtool, and GStreamer's RTSP server with its Python bindings.
# Root: apt-get install (no daemon is started). Anybody else: the packages and what they need are unpacked into
# a cache, once, behind one small command each. Prints the folders to add to PATH.
set -euo pipefail

packages=(dcmtk orthanc orthanc-dicomweb dicom3tools mosquitto chromium prometheus python3-gi gir1.2-gst-rtsp-server-1.0
  gstreamer1.0-plugins-base gstreamer1.0-plugins-good)
tools=(storescu echoscu storescp dcmcjpeg dcmcjpls dcmcrle dcmdump dsrdump Orthanc dciodvfy mosquitto chromium promtool)
bindings='import gi; gi.require_version("GstRtspServer", "1.0"); from gi.repository import GstRtspServer'
folder="${SRANOGAN_SERVICES:-${XDG_CACHE_HOME:-$HOME/.cache}/sranogan/services}"

missing() { # PATH PYTHON ROOT: what is not there
  local tool
  for tool in "${tools[@]}"; do PATH="$1" type -P "$tool" >/dev/null || echo "$tool"; done
  [[ -e "$3/usr/share/orthanc/plugins/libOrthancDicomWeb.so" ]] || echo "Orthanc's DICOMweb"
  env -u PYTHONPATH "$2" -c "$bindings" >/dev/null 2>&1 || echo 'GStreamer RTSP server for Python'
}

system="$PATH:/usr/sbin:/usr/bin"
if [[ -z "$(missing "$system" /usr/bin/python3 "")" ]]; then
  echo /usr/sbin:/usr/bin
  exit 0
elif [[ -z "$(missing "$folder/commands" "$folder/commands/gst-python" "$folder")" ]]; then
  echo "$folder/commands"
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
  left="$(missing "$system" /usr/bin/python3 "")"
  [[ -z "$left" ]] || fail "still missing $left"
  echo /usr/sbin:/usr/bin
  exit 0
fi

mkdir -p "$work"/{lists/partial,cache/archives/partial,debs,made/commands}
own=(-o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=)
apt-get -qq "${own[@]}" update >"$work/log" 2>&1 || fail "apt-get update"
apt-get "${own[@]}" -s --no-install-recommends install "${packages[@]}" >"$work/plan" 2>>"$work/log" || fail "plan"
needed="$(awk '$1 == "Inst" { print $2 }' "$work/plan" && printf '%s\n' "${packages[@]}")"
mapfile -t needed < <(sort -u <<<"$needed")
(cd "$work/debs" && apt-get -qq "${own[@]}" download "${needed[@]}") >>"$work/log" 2>&1 || fail "apt-get download"
for package in "$work"/debs/*.deb; do dpkg-deb -x "$package" "$work/made"; done

wrap() { # NAME PROGRAM: a command that runs PROGRAM (a path below the root, or a whole one) with what was unpacked
  cat >"$work/made/commands/$1" <<WRAPPER
#!/bin/sh
root="\$(dirname "\$(dirname "\$(readlink -f "\$0")")")"
lib="\$(echo "\$root"/usr/lib/*-linux-gnu)"
more="\$(find "\$lib" -mindepth 1 -maxdepth 1 -type d \\( -name pulseaudio -o -name blas -o -name lapack \\) | tr '\\n' :)"
export LD_LIBRARY_PATH="\$lib:\$more\${LD_LIBRARY_PATH:-}"
export DCMDICTPATH="\$(echo "\$root"/usr/share/libdcmtk*/dicom.dic)"
export GI_TYPELIB_PATH="\$lib/girepository-1.0" GST_PLUGIN_PATH="\$lib/gstreamer-1.0"
export GST_PLUGIN_SCANNER="\$lib/gstreamer1.0/gstreamer-1.0/gst-plugin-scanner"
export GST_REGISTRY="\$root/gst-registry.bin" FONTCONFIG_FILE="\$root/fonts.conf"
exec $2 "\$@"
WRAPPER
  chmod +x "$work/made/commands/$1"
}

fonts='<dir prefix="relative">usr/share/fonts</dir><dir>/usr/share/fonts</dir><cachedir prefix="xdg">fontconfig</cachedir>'
echo "<?xml version=\"1.0\"?><fontconfig>$fonts</fontconfig>" >"$work/made/fonts.conf"
for tool in "${tools[@]}"; do
  path="$(cd "$work/made" && find usr/lib/chromium usr/bin usr/sbin -name "$tool" ! -type d -print -quit)"
  wrap "$tool" "\"\$root/$path\""
done
python="$(cd "$work/made" && find usr/bin -name 'python3.*' -type f -print -quit)"
if [[ -n "$python" ]]; then
  wrap gst-python "env PYTHONHOME=\"\$root/usr\" \"\$root/$python\""
else # Debian's Python is here, its bindings are not
  wrap gst-python 'env PYTHONPATH="$root/usr/lib/python3/dist-packages" /usr/bin/python3'
fi
left="$(missing "$work/made/commands" "$work/made/commands/gst-python" "$work/made")"
[[ -z "$left" ]] || { echo "unpacked, and missing" >>"$work/log"; fail "$left"; }
mkdir -p "$(dirname "$folder")"
rm -rf "$folder"
mv "$work/made" "$folder" # whole or not at all, where two tests fetch at once
echo "$folder/commands"
