"""Runs inside a program before its own code, where ``brimline run`` found ``@profile`` in it (the tracker executes it).

``memory_profiler`` is then served from here, whether it is installed or not, and ``profile`` is a builtin as under
``python -m memory_profiler``. Everything else is imported when it is used.
"""

# Built into the interpreter: `os` may be half imported.
import builtins
import posix
import sys

_FOLDER = posix.environ[b"BRIMLINE_TRACKER_INJECT"].rpartition(b"/")[0].decode("utf-8", "surrogateescape")


class Finder:
    """Finds this package and the stand-in for memory_profiler, nothing else."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name not in ("brimline", "memory_profiler"):
            return None
        from importlib.util import spec_from_file_location

        if name == "brimline":
            return spec_from_file_location(name, _FOLDER + "/__init__.py", submodule_search_locations=[_FOLDER])
        return spec_from_file_location(name, _FOLDER + "/_memory_profiler.py")


class Profile:
    """The builtin ``profile``: one recorder for the whole program, made when it is first used."""

    def __call__(self, function=None, **options):
        from brimline._memory_profiler import profile_until_exit

        return profile_until_exit(function, **options)

    def __getattr__(self, name):
        from brimline._memory_profiler import until_exit

        return getattr(until_exit(), name)

    def __enter__(self):
        self.enable_by_count()
        return self

    def __exit__(self, *_):
        self.disable_by_count()


if not any(getattr(finder, "__module__", "") == "brimline.inject" for finder in sys.meta_path):
    sys.meta_path.insert(0, Finder)
    if not hasattr(builtins, "profile"):
        builtins.profile = Profile()
