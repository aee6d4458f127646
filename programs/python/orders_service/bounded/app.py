"""A shop's order service. The quote cache holds the 256 that were asked for last."""
import sys
from collections import OrderedDict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from shop.catalog import load_catalog, search  # noqa: E402
from shop.framework import Service  # noqa: E402
from shop.load import drive  # noqa: E402

service = Service("orders")
catalog = load_catalog()
QUOTES_KEPT = 256
quotes = OrderedDict()


@service.route("GET", "/articles/<number>")
def article(request):
    return catalog[int(request.arguments["number"])]


@service.route("GET", "/search")
def find(request):
    return search(catalog, request.query["q"])


@service.route("POST", "/quotes/<customer>")
def quote(request):
    basket = request.json
    key = (request.arguments["customer"], tuple((line["article"], line["count"]) for line in basket["basket"]))
    if key not in quotes:
        quotes[key] = make_quote(basket)
        if len(quotes) > QUOTES_KEPT:
            quotes.popitem(last=False)
    quotes.move_to_end(key)
    return quotes[key]


def make_quote(basket):
    lines = []
    for line in basket["basket"]:
        found = catalog[line["article"]]
        lines.append({"name": found["name"].upper(), "count": line["count"], "cents": found["cents"] * line["count"]})
    return {"lines": lines, "total": sum(line["cents"] for line in lines), "note": basket["note"]}


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    received = drive(service, count)
    print(f"answered {count} requests, {received} bytes; {len(quotes)} quotes in the cache")
