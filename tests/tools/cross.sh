#!/usr/bin/env bash
# The core and its bindings, compiled and linked for other systems with zig.
#
#     tests/tools/cross.sh [TARGET...]    (those at the end of this file if none is named)
#
# PYTHON names an interpreter, 3.12 or later, with nanobind, cmake, ninja and ziglang (default:
# python). What is built stays under WHERE (default: build/cross). core_fit.cpp runs with musl and,
# where wine is installed, as a program of Windows, and must print what it prints here: an
# instruction set has the same bits on every system.
#
# It has not the headers, linkers and Pythons of Apple and Microsoft. The job "wheels" has.
set -euo pipefail
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
core=$(cd "$tools/../../sklearn_set/_core" && pwd)
python=${PYTHON:-python}
where=${WHERE:-$tools/../../build/cross}
mkdir -p "$where" && where=$(cd "$where" && pwd)

ask() { "$python" -c "import nanobind, sys, sysconfig, ziglang; print($1)"; }
zig=$(ask 'ziglang.__path__[0]')/zig
headers=$(ask 'sysconfig.get_path("include")')
nanobind=$(ask 'nanobind.cmake_dir()')
python=$(ask 'sys.executable')
export ZIG_GLOBAL_CACHE_DIR=$where/cache ZIG_LOCAL_CACHE_DIR=$where/cache

# zig's linker for macOS knows neither bundles nor the list of Python's symbols.
cat >"$where/c++" <<END
#!/usr/bin/env bash
for argument; do
    shift
    case \$argument in
    -Wl,@*) argument=-Wl,-undefined,dynamic_lookup ;;
    -bundle) argument=-shared ;;
    -Wl,-dead_strip | -Wl,-x | -Wl,-S) continue ;;
    esac
    set -- "\$@" "\$argument"
done
exec "$zig" c++ "\$@"
END
for tool in ar ranlib; do printf '#!/bin/sh\nexec "%s" %s "$@"\n' "$zig" "$tool" >"$where/$tool"; done
chmod +x "$where"/{c++,ar,ranlib}

# LLVM's omp.h and, for Windows, its runtime: zig has neither.
if [ ! -e "$where/openmp/omp.h" ]; then
    "$python" -m pip download --quiet --no-deps --only-binary=:all: --platform=win_amd64 \
        --dest="$where/openmp" intel-openmp
    "$python" - "$where"/openmp/*.whl <<'END'
import pathlib, sys, zipfile

wheel = pathlib.Path(sys.argv[1])
with zipfile.ZipFile(wheel) as archive:
    for name in archive.namelist():
        if name.endswith(("/libiomp5md.lib", "/libiomp5md.dll", "/omp.h")):
            wheel.with_name(name.rsplit("/", 1)[1]).write_bytes(archive.read(name))
wheel.unlink()
END
fi

# Windows' Python has the same headers but for pyconfig.h. Of its libraries only the names count.
windows_python() {
    rm -rf "$where/python" && cp -r "$headers" "$where/python"
    cat >"$where/python/pyconfig.h" <<'END'
#include <io.h>
#include <stdio.h>
#define MS_WINDOWS
#define MS_WIN64
#define HAVE_DECLSPEC_DLL
#define Py_ENABLE_SHARED 1
#define SIZEOF_INT 4
#define SIZEOF_LONG 4
#define SIZEOF_LONG_LONG 8
#define SIZEOF_SIZE_T 8
#define SIZEOF_VOID_P 8
#define SIZEOF_WCHAR_T 2
#define ALIGNOF_MAX_ALIGN_T 8
END
    local version library
    version=$(ask '"%d%d" % sys.version_info[:2]')
    for library in python3 "python$version"; do
        printf 'LIBRARY %s.dll\nEXPORTS\n' "$library" >"$where/$library.def"
        sed -n 's/^-U _//p' "$nanobind/darwin-ld-cpython.sym" >>"$where/$library.def"
        "$zig" dlltool -m i386:x86-64 -d "$where/$library.def" -l "$where/$library.lib"
    done
    options=(
        -DPython_INCLUDE_DIR="$where/python" -DPython_LIBRARY="$where/python$version.lib"
        -DPython_SABI_LIBRARY="$where/python3.lib"
        -DOpenMP_CXX_LIB_NAMES=omp -DOpenMP_omp_LIBRARY="$where/openmp/libiomp5md.lib"
        -DSKLEARN_SET_CORE_FIT=ON
    )
}

build() { # build TARGET SYSTEM PROCESSOR [OPTION...]
    local target=$1 system=$2 processor=$3
    shift 3
    options=(-DOpenMP_CXX_LIB_NAMES=)
    [ "$system" != Windows ] || windows_python
    cmake -G Ninja -S "$core" -B "$where/$target" --log-level=WARNING \
        -DCMAKE_SYSTEM_NAME="$system" -DCMAKE_SYSTEM_PROCESSOR="$processor" \
        -DCMAKE_CXX_COMPILER="$where/c++;-target;$target" \
        -DCMAKE_AR="$where/ar" -DCMAKE_RANLIB="$where/ranlib" \
        -DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY \
        -DCMAKE_CXX_FLAGS="-include stdio.h -Wno-macro-redefined -I$where/openmp" \
        -DPython_EXECUTABLE="$python" -DPython_INCLUDE_DIR="$headers" -Dnanobind_DIR="$nanobind" \
        -DOpenMP_CXX_FLAGS=-fopenmp "${options[@]}" "$@"
    cmake --build "$where/$target" -- --quiet
    echo "$target: built"
}

compare_bits() { # compare_bits TARGET COMMAND...: does what core_fit prints there agree with here?
    local target=$1 isa here there
    shift
    cmake --build "$where/$target" --target core_fit -- --quiet
    cmake -G Ninja -S "$core" -B "$where/here" --log-level=WARNING -DSKLEARN_SET_CORE_FIT=ON \
        -DPython_EXECUTABLE="$python" -Dnanobind_DIR="$nanobind"
    cmake --build "$where/here" --target core_fit -- --quiet
    for isa in avx2 baseline; do
        export SKLEARN_SET_ISA=$isa
        here=$("$where/here/core_fit")
        there=$("$@" | tr -d '\r')
        echo "$there"
        [ "$here" = "$there" ] || { echo "$target has other bits than: $here" >&2 && exit 1; }
    done
}

# No runtime of OpenMP is made for musl here, so this one has a single thread.
musl_alone() {
    mkdir -p "$where/alone"
    cat >"$where/alone/omp.h" <<'END'
#pragma once
inline int omp_get_max_threads() { return 1; }
inline int omp_get_num_threads() { return 1; }
inline int omp_get_thread_num() { return 0; }
END
    build x86_64-linux-musl Linux x86_64 -DSKLEARN_SET_CORE_FIT=ON \
        -DOpenMP_CXX_FLAGS="-isystem;$where/alone;-Wno-unknown-pragmas" -DCMAKE_CXX_FLAGS="-include stdio.h"
    compare_bits x86_64-linux-musl "$where/x86_64-linux-musl/core_fit"
}

# Wine lacks what the runtime of OpenMP asks for to pin its threads.
wine_fit() {
    local wine
    wine=$(command -v wine64 || command -v /usr/lib/wine/wine64) || return 0
    cp "$where/openmp/libiomp5md.dll" "$where/x86_64-windows-gnu"
    compare_bits x86_64-windows-gnu env KMP_AFFINITY=disabled WINEDEBUG=-all \
        WINEPREFIX="$where/wine" "$wine" "$where/x86_64-windows-gnu/core_fit.exe"
}

[ $# -gt 0 ] || set -- aarch64-linux-gnu.2.28 aarch64-linux-musl x86_64-linux-musl \
    x86_64-macos.11.0 aarch64-macos.11.0 x86_64-windows-gnu
for target in "$@"; do
    case $target in
    x86_64-linux-musl)
        build "$target" Linux x86_64
        musl_alone
        ;;
    *-linux-*) build "$target" Linux "${target%%-*}" ;;
    x86_64-macos*) build "$target" Darwin x86_64 ;;
    aarch64-macos*) build "$target" Darwin arm64 ;;
    x86_64-windows-gnu)
        build "$target" Windows AMD64
        wine_fit
        ;;
    *) echo "unknown target $target" >&2 && exit 2 ;;
    esac
done
