"""Python programs written after the fourth look, judged once by the code as it stands: short runs, most of them cold."""

from fourth_look import wsgi
from work import R, text


def many(count, act):
    def run(i):
        for j in range(count):
            act(i, j)
    return run


def flask_app(times, view):
    from flask import Flask
    app = Flask("shop")
    app.add_url_rule("/<name>", view_func=view, endpoint="view")
    return wsgi(app, times, lambda i, j: f"/{i}-{j}")


def flask_tables_steady():
    return flask_app(2, lambda name: {"name": name, "rows": [[text(1, 40)] * 5] * R.randrange(1, 30)})


def falcon_orders_steady():
    import falcon
    app = falcon.App()

    class Order:
        def on_get(self, request, response, name):
            response.media = {"name": name, "body": text(1, 2000)}
    app.add_route("/{name}", Order())
    return wsgi(app, 4, lambda i, j: f"/{i}-{j}")


def sqlalchemy_query_steady():
    import sqlalchemy as sql
    engine = sql.create_engine("sqlite://")
    table = sql.Table("orders", sql.MetaData(), sql.Column("id", sql.Integer, primary_key=True), sql.Column("note", sql.String))
    table.create(engine)

    def act(i, j):
        with engine.begin() as connection:
            connection.execute(table.insert(), [{"note": text(1, 200)} for _ in range(10)])
            connection.execute(sql.select(table)).all()
            connection.execute(table.delete())
    return many(1, act)


def lxml_feed_steady():
    from lxml import etree
    return many(5, lambda i, j: etree.tostring(etree.fromstring("<a>" + "<b>x</b>" * R.randrange(1, 80) + "</a>")))


def msgpack_frames_steady():
    import msgpack
    return many(6, lambda i, j: msgpack.unpackb(msgpack.packb([text(1, 60) for _ in range(R.randrange(1, 90))])))


def bottle_lru_plateau():
    from collections import OrderedDict

    import bottle
    app, seen = bottle.Bottle(), OrderedDict()

    @app.get("/<name>")
    def page(name):
        seen[name] = text(2500, 3500)
        if len(seen) > 100:
            seen.popitem(last=False)
        return "x"
    return wsgi(app, 4, lambda i, j: f"/{i}-{j}")


def pool_of_buffers_plateau():
    free = []

    def run(i):
        taken = [free.pop() if free else bytearray(20_000) for _ in range(R.randrange(1, 25))]
        free.extend(taken)
    return run


def flask_flash_leak():
    messages = {}

    def view(name):
        messages.setdefault(name[-1], []).append((name, text(40, 80)))
        return "ok"
    return flask_app(2, view)


def falcon_errors_leak():
    import falcon
    app, failures = falcon.App(), []

    class Order:
        def on_get(self, request, response, name):
            try:
                raise ValueError(name)
            except ValueError as error:
                failures.append(error)
            response.text = "x"
    app.add_route("/{name}", Order())
    return wsgi(app, 1, lambda i, j: f"/{i}-{j}")


def sqlalchemy_listeners_leak():
    import sqlalchemy as sql
    engine = sql.create_engine("sqlite://")

    def act(i, j):
        sql.event.listen(engine, "connect", lambda *given: i)
        with engine.connect() as connection:
            connection.execute(sql.text("select 1"))
    return many(1, act)


def blinker_named_leak():
    from blinker import Namespace
    signals = Namespace()
    return many(1, lambda i, j: signals.signal(f"order-{i}"))


def numpy_history_leak():
    import numpy
    history = {}
    return many(1, lambda i, j: history.__setitem__(i, numpy.arange(R.randrange(20, 60))))


def numpy_daily_stepwise():
    import numpy
    days, every = [], R.randrange(9, 14)

    def run(i):
        numpy.sort(numpy.random.rand(500))
        if i % every == 0:
            days.append(numpy.zeros(60_000))
    return run


STEADY = [flask_tables_steady, falcon_orders_steady, sqlalchemy_query_steady, lxml_feed_steady, msgpack_frames_steady]
PLATEAU = [bottle_lru_plateau, pool_of_buffers_plateau]
LEAK = [flask_flash_leak, falcon_errors_leak, sqlalchemy_listeners_leak, blinker_named_leak, numpy_history_leak]
PROGRAMS = {**dict.fromkeys(STEADY, "steady"), **dict.fromkeys(PLATEAU, "warm_up_plateau"), **dict.fromkeys(LEAK, "linear_leak"),
            numpy_daily_stepwise: "stepwise_growth"}
