#!/usr/bin/env bash
# Prints where the Python is that a name means (python3.12, 3.12, a path) and that can make environments; nothing where
# there is none. Of a version pyenv's are looked at too: its shims fail where another version is the chosen one.
wanted="$1"
version="${wanted#python}"
candidates=("$wanted")
if [[ "$version" =~ ^3\.[0-9]+$ ]]; then
  candidates=("python$version" "$HOME"/.pyenv/versions/"$version".*/bin/python)
fi
for candidate in "${candidates[@]}"; do
  if path="$("$candidate" -c 'import ensurepip, venv, sys; print(sys.executable)' 2>/dev/null)"; then
    echo "$path"
    exit 0
  fi
done
