# Sourced by the other scripts; find_pythons sets, as far as they are found:
#   PYTHONS      CPythons to test with: one of each minor version, of 3.11 one of each layout: one that loads
#                libpython3.11.so (pyenv), one with the interpreter in its executable (Debian's and Ubuntu's)
#   OLD_PYTHON   a CPython 3.7 or 3.6, which the tracker refuses
#   MISSING_PYTHONS   what it looked for in vain
# shellcheck shell=bash


# Prints version, layout and path of an interpreter unless it is a virtual environment's.
describe_python() {
    "$1" - <<'PYTHON' 2>/dev/null
import sys
with open("/proc/self/maps") as maps:
    layout = "shared" if "libpython" in maps.read() else "static"
if sys.prefix == sys.base_prefix:
    print("3.%d" % sys.version_info[1], layout, sys.executable)
PYTHON
}

find_pythons() {
    local candidate version layout executable root minor first
    local -A found=()
    PYTHONS=() OLD_PYTHON='' MISSING_PYTHONS=()
    root=${PYENV_ROOT:-$HOME/.pyenv}
    # A pyenv that is only known through its interpreter: its other versions lie beside it.
    first=$(describe_python "$(command -v python3.11 || command -v python3 || true)" | cut -d' ' -f3) || true
    for candidate in "$first" /usr/bin/python3.* "$root"/versions/3.*/bin/python3.*[0-9] "${first%/*/bin/*}"/3.*/bin/python3.*[0-9]; do
        [ -n "$candidate" ] && [ -x "$candidate" ] || continue
        read -r version layout executable < <(describe_python "$candidate") || continue
        [ "$version" = 3.11 ] && version="3.11 $layout"
        [ -n "${found[$version]:-}" ] || found[$version]=$executable
    done
    # 3.11 first: what needs only one interpreter takes the first.
    for version in "3.11 shared" "3.11 static" 3.8 3.9 3.10 3.12 3.13; do
        executable=${found[$version]:-}
        if [ -n "$executable" ]; then PYTHONS+=("$executable"); else MISSING_PYTHONS+=("CPython $version"); fi
    done
    for minor in 7 6; do
        OLD_PYTHON=${OLD_PYTHON:-${found[3.$minor]:-}}
    done
}
