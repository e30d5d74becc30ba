#!/usr/bin/env bash
# A Vulkan driver in software, so that the GPU's path is tested without a GPU.
# Fetches SwiftShader and the Vulkan loader out of Debian's package chromium-common into a cache, once,
# and prints the folder. Needs apt and dpkg, no root. Use it with
#   VK_ICD_FILENAMES=$FOLDER/vk_swiftshader_icd.json LD_LIBRARY_PATH=$FOLDER
set -euo pipefail

package=chromium-common
files=(libvk_swiftshader.so vk_swiftshader_icd.json libvulkan.so.1)
folder="${SRANOGAN_SWIFTSHADER:-${XDG_CACHE_HOME:-$HOME/.cache}/sranogan/swiftshader}"

complete() { for file in "${files[@]}"; do [[ -s "$1/$file" ]] || return 1; done; }

if complete "$folder"; then
  echo "$folder"
  exit 0
fi
for tool in apt-get dpkg-deb tar; do
  command -v "$tool" >/dev/null || { echo "no $tool here: SwiftShader comes from a Debian package" >&2; exit 1; }
done

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/unpacked"
cd "$work"
if ! apt-get -qq download "$package" 2>"$work/log"; then # no package lists: fetch some of our own
  own=(-o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=)
  { apt-get -qq "${own[@]}" update && apt-get -qq "${own[@]}" download "$package"; } >>"$work/log" 2>&1 || {
    echo "$package cannot be downloaded: $(tail -n 1 "$work/log")" >&2
    exit 1
  }
fi
dpkg-deb --fsys-tarfile "$package"_*.deb | tar -x -C unpacked --transform 's#.*/##' --wildcards "${files[@]/#/*/}"
complete unpacked || { echo "$package no longer holds ${files[*]}" >&2; exit 1; }
mkdir -p "$(dirname "$folder")"
rm -rf "$folder"
mv unpacked "$folder" # whole or not at all, where two tests fetch at once
echo "$folder"
