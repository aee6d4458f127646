"""An asyncio server under load: 40 clients, framed messages, timeouts, cancelled tasks, executor work."""
import asyncio
import hashlib
import json


async def handle(reader, writer):
    try:
        while True:
            size = int.from_bytes(await reader.readexactly(4), "big")
            message = json.loads(await asyncio.wait_for(reader.readexactly(size), 30))
            loop = asyncio.get_running_loop()
            digest = await loop.run_in_executor(None, hashlib.sha256, message["text"].encode())
            answer = json.dumps({"n": message["n"], "digest": digest.hexdigest(), "echo": message["text"][:10]}).encode()
            writer.write(len(answer).to_bytes(4, "big") + answer)
            await writer.drain()
    except asyncio.IncompleteReadError:
        pass
    finally:
        writer.close()


async def client(port, number):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    total = 0
    for k in range(50):
        message = json.dumps({"n": k, "text": f"client {number} message {k} " * 20}).encode()
        writer.write(len(message).to_bytes(4, "big") + message)
        await writer.drain()
        size = int.from_bytes(await reader.readexactly(4), "big")
        total += int(json.loads(await reader.readexactly(size))["digest"][:4], 16)
    writer.close()
    await writer.wait_closed()
    return total


async def never():
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0)


async def main():
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    waiting = [asyncio.create_task(never()) for _ in range(100)]
    totals = await asyncio.gather(*(client(port, n) for n in range(40)))
    for task in waiting:
        task.cancel()
    cancelled = await asyncio.gather(*waiting, return_exceptions=True)
    server.close()
    await server.wait_closed()
    print(sum(totals), len(cancelled))


asyncio.run(main())
