#!/bin/bash
# Screening on a machine with one GPU: SETS (what `python -m benchmarks.screen pack` wrote), OUT, SECONDS_EACH.
# Six processes share the card; each begins nothing after its time and then waits for what it judges.
set -u
export KERAS_BACKEND=jax XLA_PYTHON_CLIENT_PREALLOCATE=false OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 PYTHONUNBUFFERED=1
sets=$1 out=$2 each=$3
work=$(mktemp -d)
screen() { timeout $((each + 60)) python3 -m benchmarks.screen "$@" 2>&1 | grep -v "^[IW]0000"; }
one() { mkdir -p "$work/$1"; screen run "$sets" "$work/$1" "$1" "${@:2}" --seconds "$each" --drawn "$work/drawn.npz" ${EXTRA:-}; }
one shipped spots-0 spots spots-slow mixture-slow spots-1500 &
one random spots mixture &
one rebuild ae_4 ae_16 restore_16 restore_128 ae_128 &
screen draw "$work/drawn.npz" --share "${SHARE:-1}"
one wide spots-0 spots-slow spots mixture-slow spots-350 spots-1500 &
one wide-kinds spots-0 spots-slow mixture-slow &
one long spots-0 spots-slow spots &
wait
cp "$work"/*/[a-z]*.npz "$out"/
(cd "$out" && tar cf starts.tar start_*.npz && rm -f start_*.npz)
