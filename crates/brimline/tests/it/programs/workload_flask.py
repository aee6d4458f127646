"""A Flask shop on the development server; `leaky` keeps a line for each request, `bounded` only the latest hundred."""
import collections
import logging
import sys

from flask import Flask, jsonify, request

app = Flask(__name__)
logging.getLogger("werkzeug").setLevel(logging.ERROR)
seen = [] if sys.argv[1] == "leaky" else collections.deque(maxlen=100)


@app.route("/items")
def items():
    seen.append(f"{request.full_path} {len(seen)} " * 60)
    return jsonify(items=list(range(20)))


@app.route("/orders/<int:order>", methods=["GET", "POST"])
def orders(order):
    return jsonify(order=order, lines=[{"n": n} for n in range(5)])


@app.route("/die", methods=["GET"])
def die():
    import os

    os._exit(7)


app.run("127.0.0.1", 0, threaded=True)
