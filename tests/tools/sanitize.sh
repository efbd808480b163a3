#!/usr/bin/env bash
# The native core under sanitizers and valgrind.
#
#     tests/tools/sanitize.sh [asan] [tsan] [valgrind] [fuzz]    (the first three if none is named)
#
# PYTHON names an interpreter that has sklearn_set's test and build dependencies (default:
# python). Each variant is built into a virtual environment of its own under WHERE (default:
# build/sanitize) that borrows the dependencies of PYTHON; nothing of PYTHON's changes.
# WHERE/<variant>/bin/python with `variant_environment <variant>` runs other things the same way.
#
# asan      gcc: addresses and undefined behaviour. Python's allocator is replaced by malloc,
#           so that small buffers are watched, too. Leaks are not looked for here (an
#           interpreter leaves plenty at its exit): tests/tools/leaks.py does.
# tsan      clang with LLVM's OpenMP, whose tool Archer tells the sanitizer of the forks and
#           joins of parallel regions; of gcc's libgomp it knows nothing, so that every region
#           would be a false alarm. Thus nothing is suppressed by name; only memory that other,
#           uninstrumented libraries touch is left out. The runtime is gcc's: a program that was
#           not built for it (python) can load it in advance. As a control, small_fit.py without
#           Archer must raise alarms.
# valgrind  the ordinary build (without AVX-512, which valgrind does not know) in a small fit. Only
#           reports with the core on the stack count: the interpreter and pandas have their own.
# fuzz      clang: fuzz.py guided by the core's coverage, with addresses and undefined behaviour
#           watched, for FUZZ_SECONDS (default: 300). PYTHON needs atheris too. What it learns is
#           kept in WHERE/fuzz/corpus; an input that fails is left there and repeated with
#           `run fuzz tests/tools/fuzz.py --guided FILE --entry NAME`.
set -euo pipefail
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$tools/../.." && pwd)
python=${PYTHON:-python}
where=${WHERE:-$root/build/sanitize}
export CMAKE_BUILD_PARALLEL_LEVEL=${CMAKE_BUILD_PARALLEL_LEVEL:-1}

build() { # build VARIANT [pip options]
    local home=$where/$1
    shift
    if [ ! -x "$home/bin/python" ]; then
        "$python" -m venv --without-pip "$home"
        # As a path, not as a site: an editable sklearn_set there must not win.
        "$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
            >"$("$home/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/dependencies.pth"
    fi
    PATH="$(dirname "$(command -v "$python")"):$PATH" "$home/bin/python" -m pip install --quiet \
        --no-deps --no-build-isolation --force-reinstall -C build-dir="$home/cmake" "$@" "$root"
}

variant_environment() { # the variables that a program of this variant needs, as NAME=VALUE lines
    case $1 in
    asan)
        echo "LD_PRELOAD=$(gcc -print-file-name=libasan.so):$(gcc -print-file-name=libubsan.so)"
        echo "ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:abort_on_error=0"
        echo "UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1"
        echo "PYTHONMALLOC=malloc"
        ;;
    tsan)
        echo "LD_PRELOAD=$(gcc -print-file-name=libtsan.so)"
        echo "TSAN_OPTIONS=ignore_noninstrumented_modules=1:exitcode=66"
        echo "OMP_TOOL_LIBRARIES=$(dirname "$(readlink -f "$(command -v clang)")")/../lib/libarcher.so"
        ;;
    valgrind) echo "PYTHONMALLOC=malloc" ;;
    fuzz)
        echo "LD_PRELOAD=$("$python" -c 'import atheris; print(atheris.path())')/asan_with_fuzzer.so"
        echo "ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:max_allocation_size_mb=2000:malloc_context_size=4"
        echo "UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1"
        echo "ASAN_SYMBOLIZER_PATH=$(dirname "$(readlink -f "$(command -v clang)")")/llvm-symbolizer"
        echo "PYTHONMALLOC=malloc"
        ;;
    esac
    echo "OMP_NUM_THREADS=2"
    echo "OPENBLAS_NUM_THREADS=1"
}

run() { # run VARIANT COMMAND...
    local home=$where/$1 variant=$1
    shift
    (cd "$root" && env $(variant_environment "$variant") "$home/bin/python" -P "$@")
}

run_tests() { # run_tests VARIANT PYTEST_ARGUMENTS...
    local variant=$1
    shift
    run "$variant" -m pytest -q -p no:cacheprovider -p no:xdist --no-header "$@"
}

# Several predictions and fits at once. (No signals: ThreadSanitizer puts them off until the
# interpreter blocks, which a training never does.)
threaded=(
    tests/estimators/test_threads.py::test_predictions_from_several_threads_at_once
    tests/estimators/test_threads.py::test_fits_from_several_threads_at_once
    tests/estimators/test_threads.py::test_binding_for_prediction_is_safe_between_threads
)

asan() {
    build asan -C cmake.define.SKLEARN_SET_SANITIZE=address,undefined
    # Programs that the tests start would not be sanitized alike: left to the ordinary run.
    run_tests asan tests/test_kernels.py tests/test_convolution.py tests/test_topology.py tests/test_evolution.py \
        tests/test_native_abuse.py -k "not environment and not instruction_set"
    run_tests asan "${threaded[@]}" \
        tests/estimators/test_failures.py::test_interrupt_keeps_what_was_learned
    run asan "$tools/small_fit.py"
}

tsan() {
    CXX=clang++ build tsan -C cmake.define.SKLEARN_SET_SANITIZE=thread \
        -C cmake.build-type=RelWithDebInfo
    run tsan "$tools/small_fit.py"
    if ARCHER_OPTIONS=enable=0 run tsan "$tools/small_fit.py" 2>/dev/null; then
        echo "ThreadSanitizer is blind: it raised no alarm without Archer" >&2
        exit 1
    fi
    run_tests tsan "${threaded[@]}"
    run_tests tsan tests/test_kernels.py tests/test_convolution.py -k "batch and not sizes or threads"
}

valgrind_fit() {
    build valgrind -C cmake.build-type=RelWithDebInfo
    local log=$where/valgrind/log
    (cd "$root" && env $(variant_environment valgrind) SKLEARN_SET_ISA=avx2 valgrind --quiet \
        --log-file="$log" --leak-check=no --num-callers=40 \
        "$where/valgrind/bin/python" -P "$tools/small_fit.py" --threads 1 --light)
    # Python and pandas have reports of their own; ours have the core somewhere on the stack.
    if grep -qE '/_native\.|nanobind::|sklearn_set::|(kernels|convolution|network|topology|bindings|dispatch)\.cpp|arrays\.h' "$log"; then
        cat "$log" >&2
        exit 1
    fi
}

fuzz() {
    # The last two need the runtime's C++ part, which atheris' runtime leaves out.
    local checks="address,undefined,fuzzer-no-link;-fno-sanitize=vptr,function"
    CXX=clang++ build fuzz -C cmake.define.SKLEARN_SET_SANITIZE="$checks"
    local log=$where/fuzz/log
    if ! run fuzz "$tools/fuzz.py" --guided "$where/fuzz/corpus" \
        --seconds "${FUZZ_SECONDS:-300}" 2>"$log"; then
        tail -n 80 "$log" >&2
        exit 1
    fi
    if ! grep -q ' cov: ' "$log"; then
        echo "libFuzzer is blind: it saw no coverage of the core" >&2
        exit 1
    fi
}

# Sourced, for its functions only?
if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    [ $# -gt 0 ] || set -- asan tsan valgrind
    for variant in "$@"; do
        case $variant in
        asan | tsan | fuzz) "$variant" ;;
        valgrind) valgrind_fit ;;
        *)
            echo "unknown variant $variant: asan, tsan, valgrind or fuzz" >&2
            exit 2
            ;;
        esac
        echo "$variant: clean"
    done
fi
