"""`servers_prefork.py gunicorn|uwsgi|celery`: a server of two forked workers, started as its users do; each worker keeps
a block a request and writes down what it keeps. Prints the workers' notes: process id, blocks, bytes."""
import glob
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time

SERVED = '''
import os, sys
kept = []
def keep(size):
    kept.append(bytes(size))
    held = sum(map(sys.getsizeof, kept)) + kept.__sizeof__() - [].__sizeof__()
    with open("note-%d.tmp" % os.getpid(), "w") as file:
        file.write("%d %d %d" % (os.getpid(), len(kept) + 1, held))
    os.replace("note-%d.tmp" % os.getpid(), "note-%d" % os.getpid())
def application(environ, start_response):
    keep(1000 + int(environ["QUERY_STRING"]))
    start_response("200 OK", [("Content-Length", "4")])
    return [b"kept"]
'''
TASKS = '''
import celery
import served
app = celery.Celery("tasks", broker="filesystem://")
app.conf.broker_transport_options = {"data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "control"}
app.conf.worker_prefetch_multiplier = 1
@app.task(ignore_result=True)
def keep(size):
    served.keep(size)
'''
REQUESTS = 120


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def request(port, number):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", f"/?{number}")
    answer = connection.getresponse().read()
    connection.close()
    return answer


def ask(port, numbers):
    for number in numbers:
        assert request(port, number) == b"kept"


def notes():
    return sorted(open(name).read() for name in glob.glob("note-*") if not name.endswith(".tmp"))


def served_blocks():
    return sum(int(note.split()[1]) - 1 for note in notes())


def wait(condition, server):
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline or server.poll() is not None:
            sys.exit(f"waited in vain; the server's code is {server.poll()}")
        time.sleep(0.05)


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


kind = sys.argv[1]
bin = os.path.dirname(sys.executable)
with open("served.py", "w") as file:
    file.write(SERVED)
if kind == "celery":
    with open("tasks.py", "w") as file:
        file.write(TASKS)
    os.makedirs("queue")
    sys.path.insert(0, ".")
    import tasks

    for number in range(REQUESTS):
        tasks.keep.delay(1000 + number)
    command = [sys.executable, "-m", "celery", "-A", "tasks", "worker", "--pool=prefork", "--concurrency=2",
               "--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=WARNING"]
else:
    port = free_port()
    command = {
        "gunicorn": [bin + "/gunicorn", "--bind", f"127.0.0.1:{port}", "--workers", "2", "served:application"],
        "uwsgi": [bin + "/uwsgi", "--http-socket", f"127.0.0.1:{port}", "--master", "--processes", "2",
                  "--module", "served:application", "--die-on-term", "--need-app"],
    }[kind]
with open("log", "wb") as log:
    server = subprocess.Popen(command, stdout=log, stderr=log)
try:
    if kind != "celery":
        wait(lambda: listens(port), server)
        parts = [range(start, REQUESTS, 4) for start in range(4)]
        clients = [threading.Thread(target=ask, args=(port, part)) for part in parts]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
    wait(lambda: served_blocks() == REQUESTS, server)
finally:
    server.send_signal(signal.SIGTERM)
    code = server.wait(60)
print(kind, code)
for note in notes():
    print(note)
