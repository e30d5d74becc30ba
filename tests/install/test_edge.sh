#!/usr/bin/env bash
# The edge's fast tests on one Python, with the requirements of a device and nothing of this environment. A version (3.10)
# that is not here is skipped, and said so; what is named in another way (python3.10, a path) must be here.
# Bundles come from SRANOGAN_TEST_BUNDLES.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

python="$(bash requirements/find_python.sh "$1")"
if [[ -z "$python" ]]; then
  if [[ "$1" =~ ^3\.[0-9]+$ ]]; then
    echo "edge on Python $1: skipped, there is none here"
    exit 0
  fi
  echo "$1: no such Python here, or one that cannot make environments" >&2
  exit 1
fi

environment="build/edge-$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
"$python" requirements/install.py "$environment" edge/deploy/requirements.txt
"$python" requirements/install.py "$environment" requirements/edge-test.txt
"$environment/bin/python" -m pip install -qq --no-deps --no-build-isolation ./edge
echo "edge on $("$environment/bin/python" --version):"
"$environment/bin/python" -m pytest -q -p no:cacheprovider -n 3 --dist loadfile tests/edge
