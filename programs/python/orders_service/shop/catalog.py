"""What the shop sells: generated, the same at every start."""


def load_catalog(size=800):
    return {number: {"id": number, "name": f"Article {number}", "cents": 199 + number * 37 % 9000} for number in range(size)}


def search(catalog, text, limit=20):
    hits = [article for article in catalog.values() if text in article["name"]]
    return sorted(hits, key=lambda article: article["cents"])[:limit]
