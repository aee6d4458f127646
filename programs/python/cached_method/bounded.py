"""Each document keeps its own answers, and takes them along when it goes."""
import sys



class Document:
    def __init__(self, number):
        self.number = number
        self.text = f"document {number} " * 60
        self.answers = {}

    def words(self, letter):
        if letter not in self.answers:
            self.answers[letter] = [word for word in self.text.split() if word.startswith(letter)]
        return self.answers[letter]


def main(count):
    found = 0
    for number in range(count):
        found += len(Document(number).words("d"))
    print(f"{found} words in {count} documents")


main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000)
