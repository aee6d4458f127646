"""`lru_cache` on a method: the cache belongs to the class and keeps every instance."""
import sys
from functools import lru_cache


class Document:
    def __init__(self, number):
        self.number = number
        self.text = f"document {number} " * 60

    @lru_cache(maxsize=None)
    def words(self, letter):
        return [word for word in self.text.split() if word.startswith(letter)]


def main(count):
    found = 0
    for number in range(count):
        found += len(Document(number).words("d"))
    print(f"{found} words in {count} documents")


main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000)
