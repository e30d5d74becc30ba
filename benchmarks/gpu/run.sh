#!/usr/bin/env bash
# What only a real GPU can tell, in about 10 minutes: bash benchmarks/gpu/run.sh [STEP ...]
#   look    the card, its driver, the Vulkan loader, and what this Python has
#   graphs  every graph and golden case on LiteRT's GPU backend    -> $OUT/gpu_graphs.json, and gpu_why.log if one fails
#   bench   sranogan-bench on the GPU and on this processor         -> $OUT/gpu_bench_NAME.json
#   onnx    every graph on ONNX Runtime's providers                 -> $OUT/gpu_onnx.json
#   train   a whole training by JAX, a share of it on this processor -> $OUT/gpu_train.json (benchmarks/gpu/train.sh)
# Without a step: all of them. A step that fails ends no other one; the script then fails at its end.
# It needs no TensorFlow: a Python with NumPy, OpenCV, Pillow, Typer, Rich and ai-edge-litert, or with these on PYTHONPATH.
#   BUNDLES  folder of *.sranogan to measure (build/gpu)   OUT  folder of the results (build/gpu/results)
#   ONNX     ONNX Runtime's providers (webgpu)             PYTHON  (python3)
#   GRAPHS_S, BENCH_S (of each bundle), ONNX_S, TRAIN_S    seconds that a step may take
#   TRAIN_OPTIONS   of the step train, such as --cpu-share 0
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

BUNDLES="${BUNDLES:-build/gpu}" OUT="${OUT:-build/gpu/results}" PYTHON="${PYTHON:-python3}" ONNX="${ONNX:-webgpu}"
GRAPHS_S="${GRAPHS_S:-110}" BENCH_S="${BENCH_S:-75}" ONNX_S="${ONNX_S:-50}" TRAIN_S="${TRAIN_S:-360}"
NVIDIA_ICD=/usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json
GRACE_S=10 # to write what was found, before it is killed
ALL=(look graphs bench onnx train)
failed=()

step() { # NAME SECONDS COMMAND...
  local name="$1" limit="$2" began=$SECONDS status
  shift 2
  echo "== $name"
  timeout --foreground -s INT -k "$GRACE_S" "$limit" "$@"
  status=$?
  echo "== $name: exit $status after $((SECONDS - began)) s"
  [[ $status -eq 0 ]] || failed+=("$name")
  return $status
}

look() {
  echo "== look"
  nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.sm --format=csv 2>&1 || true
  ldconfig -p | grep libvulkan || echo "there is no Vulkan loader (libvulkan.so.1)"
  echo "VK_DRIVER_FILES=${VK_DRIVER_FILES:-} VK_ICD_FILENAMES=${VK_ICD_FILENAMES:-}"
  "$PYTHON" -c 'from sranogan_edge.device import read_device; print(read_device())'
}

graphs() {
  step graphs "$((GRAPHS_S + GRACE_S))" "$PYTHON" -m benchmarks.gpu.graphs --backend gpu --all-s "$GRAPHS_S" \
    --out "$OUT/gpu_graphs.json" "${bundles[@]}" && return
  step why 40 "$PYTHON" -m benchmarks.gpu.why "${bundles[0]}" >"$OUT/gpu_why.log" 2>&1
  tail -n 30 "$OUT/gpu_why.log"
}

bench() {
  local bundle name
  for bundle in "${bundles[@]}"; do
    name="$(basename "$bundle" .sranogan)"
    step "bench $name" "$BENCH_S" "$PYTHON" -m sranogan_edge.commands.bench "$bundle" --backend gpu --backend xnnpack \
      --repeat 200 --json "$OUT/gpu_bench_$name.json"
  done
}

onnx() {
  local provider asked=()
  for provider in $ONNX; do asked+=(--backend "onnx:$provider"); done
  step onnx "$((ONNX_S + GRACE_S))" "$PYTHON" -m benchmarks.gpu.graphs "${asked[@]}" --all-s "$ONNX_S" \
    --out "$OUT/gpu_onnx.json" "${bundles[@]}"
}

some_driver() { compgen -G '/etc/vulkan/icd.d/*.json' || compgen -G '/usr/share/vulkan/icd.d/*.json'; } >/dev/null

train() { # TRAIN_OPTIONS: for benchmarks.gpu.train
  # shellcheck disable=SC2086
  step train "$TRAIN_S" bash benchmarks/gpu/train.sh ${TRAIN_OPTIONS:-}
}

chosen=("$@")
[[ ${#chosen[@]} -gt 0 ]] || chosen=("${ALL[@]}")
for one in "${chosen[@]}"; do
  [[ " ${ALL[*]} " == *" $one "* ]] || { echo "there is no step $one; choose of: ${ALL[*]}" >&2; exit 2; }
done
bundles=("$BUNDLES"/*.sranogan)
[[ -e "${bundles[0]}" ]] || { echo "there is no *.sranogan in $BUNDLES; name their folder with BUNDLES" >&2; exit 2; }
mkdir -p "$OUT" || exit 2
if [[ -z "${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-}" && -e "$NVIDIA_ICD" ]] && ! some_driver; then
  export VK_DRIVER_FILES="$NVIDIA_ICD" # some containers hide it there from the loader
fi
export OUT PYTHON BUNDLES PYTHONUNBUFFERED=1 PYTHONPATH="$PWD:$PWD/edge:$PWD/export${PYTHONPATH:+:$PYTHONPATH}"
for one in "${chosen[@]}"; do "$one"; done
echo "failed: ${failed[*]:-nothing} ($SECONDS s)"
[[ ${#failed[@]} -eq 0 ]]
