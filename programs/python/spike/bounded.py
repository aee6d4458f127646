"""The report takes row after row and keeps none."""
import sys


def rows(count):
    for number in range(count):
        yield {"id": number, "amount": number * 13 % 997, "text": f"row {number} of the table"}


def total(count):
    return sum(row["amount"] for row in rows(count))


def main(count):
    print(f"total {total(count)}")


main(int(sys.argv[1]) if len(sys.argv) > 1 else 60000)
