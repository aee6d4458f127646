"""json: build records, dump, load, group, sort and join them; tens of millions of small objects, a shallow stack."""
import json
import sys

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 60
RECORDS = 6000


def make_record(i):
    return {
        "id": i,
        "name": f"user-{i:06d}",
        "email": f"user{i}@example.org",
        "tags": [f"tag-{(i * k) % 97}" for k in range(1, 6)],
        "address": {"street": f"{i % 300} Main Street", "city": f"city-{i % 50}", "zip": str(10000 + i % 9000)},
        "score": i * 1.5,
        "active": i % 3 == 0,
    }


def group_by_city(records):
    groups = {}
    for record in records:
        groups.setdefault(record["address"]["city"], []).append(record)
    return groups


def summarise(groups):
    lines = []
    for city, members in sorted(groups.items()):
        names = sorted(member["name"].upper() for member in members)
        tags = sorted({tag for member in members for tag in member["tags"]})
        lines.append(city + ":" + ",".join(names) + ";" + ",".join(tags))
    return "\n".join(lines)


def one_round(number):
    records = [make_record(i + number) for i in range(RECORDS)]
    text = json.dumps(records)
    loaded = json.loads(text)
    return len(summarise(group_by_city(loaded)))


def main():
    total = 0
    for number in range(ROUNDS):
        total += one_round(number)
    print(total)


main()
