#!/usr/bin/env bash
# Fuzzes what parses bytes in the addon, then exercises the addon under AddressSanitizer, UndefinedBehaviorSanitizer and
# LeakSanitizer. Short form; the long one: FUZZ_RUNS=10000000 TPE_SIGNS=10000 TPE_ACTIVATIONS=100 test/fuzz/run.sh
set -euo pipefail
cd "$(dirname "$0")/../.."

for tool in clang++ g++ swtpm; do
  command -v "$tool" >/dev/null || { echo "$tool is missing: apt-get install clang build-essential swtpm" >&2; exit 1; }
done

out=.cache/fuzz
mkdir -p "$out/corpus"
cp -n test/fuzz/corpus/* "$out/corpus/"

echo "fuzz: building the target"
read -r -a tss <<<"$(pkg-config --cflags --libs tss2-mu)"
clang++ -std=c++17 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
  test/fuzz/blob_target.cpp native/blob.cpp native/failure.cpp native/response_shape.cpp "${tss[@]}" -o "$out/blob"
echo "fuzz: ${FUZZ_RUNS:=1000000} executions"
TSS2_LOG=all+none "$out/blob" -runs="$FUZZ_RUNS" -max_len=1100 -close_fd_mask=3 -artifact_prefix="$out/" \
  "$out/corpus" >"$out/log" 2>&1 || { tail -n 40 "$out/log" >&2; exit 1; }
grep -E '^Done|^#.*DONE' "$out/log" || tail -n 2 "$out/log"

echo "fuzz: building the addon with sanitizers"
prefix="$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")"
headers=()
[ -f "$prefix/include/node/node_api.h" ] && headers=("--nodedir=$prefix")
rm -rf "$out/addon"
mkdir -p "$out/addon"
cp -r binding.gyp native "$out/addon/"
ln -s ../../../node_modules "$out/addon/node_modules"
sanitize='-fsanitize=address,undefined -fno-omit-frame-pointer -g -O1'
(cd "$out/addon" && CXXFLAGS="$sanitize" LDFLAGS='-fsanitize=address,undefined' \
  node node_modules/node-gyp/bin/node-gyp.js rebuild --loglevel=error "${headers[@]}" >build.log 2>&1) ||
  { tail -n 40 "$out/addon/build.log" >&2; exit 1; }
node_modules/.bin/esbuild test/fuzz/exercise.ts --bundle --platform=node --format=cjs --log-level=warning \
  --define:__TPE_VERSION__='"fuzz"' --outfile="$out/exercise.cjs"
cp "$out/addon/build/Release/tpe_tpm.node" "$out/tpe_tpm.node"

echo "fuzz: exercising the addon under sanitizers"
LD_PRELOAD="$(gcc -print-file-name=libasan.so)" ASAN_OPTIONS=detect_leaks=1:halt_on_error=1 \
  UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 node "$out/exercise.cjs"
