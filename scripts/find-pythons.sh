# Sourced by the other scripts. Sets, as far as they are found:
#   SHARED_PYTHON   a CPython 3.11 that loads libpython3.11.so (pyenv, python.org builds with --enable-shared)
#   STATIC_PYTHON   a CPython 3.11 with the interpreter in its executable (Debian's and Ubuntu's)
#   OLD_PYTHON      a CPython 3.9 or 3.8, which the tracker refuses
# shellcheck shell=bash

python_layout() {
    "$1" -c 'import sysconfig; print("shared" if sysconfig.get_config_var("Py_ENABLE_SHARED") and "libpython" in open("/proc/self/maps").read() else "static")' 2>/dev/null
}

find_pythons() {
    local candidate layout executable root
    SHARED_PYTHON='' STATIC_PYTHON='' OLD_PYTHON=''
    root=${PYENV_ROOT:-$HOME/.pyenv}
    for candidate in "$(command -v python3.11 || true)" "$(command -v python3 || true)" \
        "$root"/versions/3.11.*/bin/python3.11 /usr/bin/python3.11; do
        [ -n "$candidate" ] && [ -x "$candidate" ] || continue
        executable=$("$candidate" -c 'import sys; print(sys.executable if sys.version_info[:2] == (3, 11) and sys.prefix == sys.base_prefix else "")' 2>/dev/null) || continue
        [ -n "$executable" ] || continue
        layout=$(python_layout "$executable")
        case $layout in
        shared) SHARED_PYTHON=${SHARED_PYTHON:-$executable} ;;
        static) STATIC_PYTHON=${STATIC_PYTHON:-$executable} ;;
        esac
    done
    # A pyenv that is only known through its interpreter: its other versions lie beside it.
    for candidate in "$root"/versions/3.[89].*/bin/python3.[89] \
        "${SHARED_PYTHON%/*/bin/*}"/3.[89].*/bin/python3.[89] "$(command -v python3.9 || true)"; do
        if [ -n "$candidate" ] && [ -x "$candidate" ] && "$candidate" -c '' 2>/dev/null; then
            OLD_PYTHON=$candidate
            break
        fi
    done
}
