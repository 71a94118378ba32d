"""A way to etcd that can be made long, silent or closed: a TCP proxy on a thread of its own."""

import asyncio
import threading
import time

from harness import places


class Proxy:
    """Forwards a loopback port to another one. What the setters change holds at once, for connections that are
    open too."""

    def __init__(self, target_port):
        self.target_port, self.port = target_port, places.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._one_way_s = 0.0
        self._writers = set()
        self._tasks = set()
        self._loop = asyncio.new_event_loop()
        self._flowing = None
        self._server = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._ready = threading.Event()
        self._thread.start()
        self._ready.wait()

    def round_trip(self, seconds):
        """How far away the target is from now on."""
        self._one_way_s = seconds / 2

    def silence(self):
        """Accepts and forwards nothing, as a network does that loses every packet."""
        self._call(self._flowing.clear)

    def speak(self):
        """What was held back is lost with its connections; new ones are forwarded."""
        self._call(self._close_all)
        self._call(self._flowing.set)

    def cut(self):
        """Closes every connection and refuses new ones."""
        self._await(self._stop_listening())

    def mend(self):
        self._await(self._listen())

    def discard(self):
        self._await(self._stop_listening())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # --- on the thread ---

    def _run(self):
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._ready.set()
        self._loop.run_forever()

    def _call(self, function):
        async def run():
            function()

        self._await(run())

    def _await(self, coroutine):
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    async def _listen(self):
        if self._flowing is None:
            self._flowing = asyncio.Event()
            self._flowing.set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def _stop_listening(self):
        if self._server is not None:
            self._server.close()
            self._server = None
        self._close_all()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _close_all(self):
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _accept(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            await self._flowing.wait()
            upstream_reader, upstream = await asyncio.open_connection("127.0.0.1", self.target_port)
            self._writers.add(upstream)
            try:
                await asyncio.gather(self._pump(reader, upstream), self._pump(upstream_reader, writer))
            finally:
                self._drop(upstream)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._drop(writer)
            self._tasks.discard(task)

    def _drop(self, writer):
        self._writers.discard(writer)
        writer.transport.abort()

    async def _pump(self, reader, writer):
        """One direction: reads on while what was read is still on its way."""
        queue = asyncio.Queue()
        feeder = asyncio.ensure_future(self._feed(reader, queue))
        try:
            while True:
                due, data = await queue.get()
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                await self._flowing.wait()
                if not data:
                    writer.write_eof()
                    return
                writer.write(data)
                await writer.drain()
        finally:
            feeder.cancel()

    async def _feed(self, reader, queue):
        data = b"?"
        while data:
            try:
                data = await reader.read(1 << 16)
            except OSError:
                data = b""
            queue.put_nowait((time.monotonic() + self._one_way_s, data))
