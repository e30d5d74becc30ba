#!/usr/bin/env bash
# The edge's fast tests on one Python (3.10, ...), with the requirements of a device and nothing of this environment.
# Skipped, and said so, where there is no such Python. Bundles come from SRANOGAN_TEST_BUNDLES.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
version="$1"

python=""
for candidate in "python$version" "$HOME"/.pyenv/versions/"$version".*/bin/python; do
  if "$candidate" -c "import ensurepip, venv, sys; sys.exit('%d.%d' % sys.version_info[:2] != '$version')" 2>/dev/null; then
    python="$candidate"
    break
  fi
done
if [[ -z "$python" ]]; then
  echo "edge on Python $version: skipped, there is none here"
  exit 0
fi

environment="build/edge-$version"
"$python" requirements/install.py "$environment" edge/deploy/requirements.txt
"$python" requirements/install.py "$environment" requirements/edge-test.txt
"$environment/bin/python" -m pip install -qq --no-deps --no-build-isolation ./edge
echo "edge on $("$environment/bin/python" --version):"
"$environment/bin/python" -m pytest -q -p no:cacheprovider -n 3 --dist loadfile tests/edge
