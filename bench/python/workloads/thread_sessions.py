"""threads: four queue workers decode requests and keep every session in a global dict, the leak."""
import json
import queue
import sys
import threading

REQUESTS = int(sys.argv[1]) if len(sys.argv) > 1 else 250_000
WORKERS = 4

SESSIONS = {}
LOCK = threading.Lock()


class Session:
    def __init__(self, user, attributes):
        self.user = user
        self.attributes = attributes


def make_payload(i):
    head = f"user={i};path=/items/{i % 1000};agent=client-{i % 17};"
    body = ",".join(f"field{k}={i * k % 9973}" for k in range(24))
    return (head + body + "," + "x" * (60 + i % 90)).encode()


def handle(payload):
    head, _, body = payload.decode().rpartition(";")
    values = dict(part.split("=", 1) for part in head.split(";"))
    fields = body.split(",")
    attributes = {"path": values["path"], "agent": values["agent"], "count": len(fields)}
    for field in fields[:3]:
        name, _, value = field.partition("=")
        attributes[name] = value
    session = Session(values["user"], attributes)
    with LOCK:
        SESSIONS[session.user] = session


def worker(inbox):
    while True:
        payload = inbox.get()
        if payload is None:
            return
        handle(payload)


def main():
    inboxes = [queue.Queue(maxsize=256) for _ in range(WORKERS)]
    workers = [threading.Thread(target=worker, args=(inbox,), name=f"worker-{n}") for n, inbox in enumerate(inboxes)]
    for thread in workers:
        thread.start()
    payloads = [make_payload(i) for i in range(500)]
    for i in range(REQUESTS):
        payload = payloads[i % 500].replace(b"user=%d;" % (i % 500), b"user=%d;" % i, 1)
        inboxes[i % WORKERS].put(payload)
    for inbox in inboxes:
        inbox.put(None)
    for thread in workers:
        thread.join()
    print(len(SESSIONS))


main()
