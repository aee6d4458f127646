"""Flask: templates, JSON, sessions and errors through the test client."""
from flask import Flask, abort, jsonify, render_template_string, request, session

app = Flask(__name__)
app.secret_key = "not secret"
PAGE = "<ul>{% for item in items %}<li>{{ item.name|upper }} {{ '%.2f'|format(item.price) }}</li>{% endfor %}</ul>"


@app.route("/items")
def items():
    return render_template_string(PAGE, items=[{"name": f"item {n}", "price": n / 3} for n in range(50)])


@app.route("/cart/<int:item>", methods=["POST"])
def cart(item):
    session.setdefault("cart", []).append(item)
    session.modified = True
    return jsonify(count=len(session["cart"]), note=request.json["note"])


@app.route("/missing")
def missing():
    abort(404)


client = app.test_client()
total = 0
for number in range(150):
    total += len(client.get("/items").data)
    total += client.post(f"/cart/{number % 7}", json={"note": "n" * number}).json["count"]
    total += client.get("/missing").status_code
print(total)
