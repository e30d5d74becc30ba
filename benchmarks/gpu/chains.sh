#!/usr/bin/env bash
# Whole chains of several sets side by side on one card: bash benchmarks/gpu/chains.sh OUT SECONDS "CHAINS" PROTOCOL...
# Each protocol has a process, which trains the CHAINS one after the other (benchmarks/transfer/chain.py) and is ended after
# SECONDS. OUT gets the figures of those that were judged, and the ends of the logs. A run folder (RUNS) is gone on with.
# It needs no TensorFlow (see train.sh), and the sets in ../shared/data. Where the card's driver has NVIDIA's multi-process
# service, kernels of different processes run at the same time.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
out=$1 seconds=$2 chains=$3
shift 3
PYTHON="${PYTHON:-python3}" runs="${RUNS:-/tmp/chains}" results=benchmarks/results/transfer/chain
mkdir -p "$out" "$runs"
export KERAS_BACKEND=jax XLA_PYTHON_CLIENT_PREALLOCATE=false OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 PYTHONUNBUFFERED=1
export JAX_COMPILATION_CACHE_DIR="$runs/programs" PYTHONPATH="$PWD:$PWD/edge:$PWD/export${PYTHONPATH:+:$PYTHONPATH}"

if command -v nvidia-cuda-mps-control >/dev/null; then
  export CUDA_MPS_PIPE_DIRECTORY="$runs/mps" CUDA_MPS_LOG_DIRECTORY="$runs/mps"
  mkdir -p "$runs/mps"
  nvidia-cuda-mps-control -d
  timeout 40 "$PYTHON" -c 'import jax; print("shared by:", jax.numpy.ones(3).sum(), jax.devices())' ||
    { echo "the multi-process service does not work here"; echo quit | nvidia-cuda-mps-control; unset CUDA_MPS_PIPE_DIRECTORY; }
fi
for protocol in "$@"; do
  # shellcheck disable=SC2086
  timeout -s INT -k 5 "$seconds" "$PYTHON" -m benchmarks.transfer chain $chains --protocol "$protocol" --runs "$runs" \
    >>"$runs/${protocol// /_}.log" 2>&1 &
  going+=($!)
done
wait "${going[@]}"
[[ -z "${CUDA_MPS_PIPE_DIRECTORY:-}" ]] || echo quit | nvidia-cuda-mps-control
for log in "$runs"/*.log; do tail -n 40 "$log" >"$out/$(basename "$log")"; done
tail -n 3 "$runs"/*.log
tar czf "$out/figures.tar.gz" -C "$results" .
