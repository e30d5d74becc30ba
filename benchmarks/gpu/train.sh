#!/usr/bin/env bash
# Training by JAX on the card, then a share of it on the processor: bash benchmarks/gpu/train.sh [OPTION ...]
# OPTIONS go to `python -m benchmarks.gpu.train` (--data, --preset, --cpu-share ...)   -> $OUT/gpu_train.json
# It needs no TensorFlow: Keras 3, JAX, scikit-learn, TensorBoard's writer and what sranogan-edge needs, installed or on PYTHONPATH.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export PYTHONPATH="$PWD:$PWD/edge:$PWD/export${PYTHONPATH:+:$PYTHONPATH}"
exec "${PYTHON:-python3}" -m benchmarks.gpu.train --out "${OUT:-build/gpu/results}/gpu_train.json" "$@"
