"""Each file is closed as soon as it was read."""
import sys
import tempfile


def read_all(path):
    with open(path, encoding="utf-8") as file:
        return len(file.read())


def main(count):
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as source:
        source.write("some lines\n" * 10)
        source.flush()
        total = sum(read_all(source.name) for _ in range(count))
    print(f"{total} characters, {count} files")


main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
