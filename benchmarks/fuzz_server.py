"""Random requests over the whole contract of the server, while three clients translate.

    python benchmarks/fuzz_server.py --seconds 600

Requests are made from the descriptors of the contract: every field of every method, with values
that are plausible, at an edge or wild, now and then large, and now and then with bytes changed.
Nothing of it may end in INTERNAL, three innocent clients (calls, a stream, calls with terms and a
wide beam) have to get what they got when the server was quiet, and 99 of 100 probes of its health
have to be answered within half a second. The server has a glossary and a datastore.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from hostile_server import processor
from served import Served, served

from tformer.protos.v1 import admin_pb2, translation_pb2
from tformer.protos.v1 import translation_pb2 as pb
from tformer.protos.v1.translation_pb2_grpc import TranslationServiceStub
from tformer.server.rpc.google import GOOGLE_SERVICE

SERVICES = {
    translation_pb2.DESCRIPTOR.services_by_name["TranslationService"]: 20,
    GOOGLE_SERVICE: 4,
    admin_pb2.DESCRIPTOR.services_by_name["AdminService"]: 1,
    health_pb2.DESCRIPTOR.services_by_name["Health"]: 1,
    reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"]: 1,
}
"""Services, and how often each is asked."""

INNOCENT = [
    "A dog runs on the beach.",
    "Two children play with a brown dog in front of the old church.",
    "Where is the railway station? The train to Berlin leaves at 7:45.",
    "The house is old, but the garden is beautiful, and the neighbours are kind.",
]

ITEM = pb.Translation.DESCRIPTOR.full_name
"""Answer to one text, which may be an error."""

HEALTH_SECONDS = 0.5
"""In which a probe has to be answered, in 99 of 100 cases."""

# What a field, by its name or by its full name, is likely to have.
PLAUSIBLE: dict[str, Sequence[Any]] = {
    "source_language_code": ["en", "de", "", "EN-us"],
    "target_language_code": ["de", "en", "de"],
    "model": ["", "en-de"],
    "glossary": ["", "terms"],
    "datastore": ["", "pairs"],
    "datastore_weight": [0.2, 0.8],
    "format": ["", "", "markdown", "html", "text"],
    "existing_translations": [0, 1, 2, 3],
    "length_normalisation": [0, 1, 2],
    "id": ["", "1", "a"],
    "mime_type": ["", "text/plain", "text/html"],
    "beam_size": [1, 2, 4],
    "n_best": [1, 1, 2],
    "max_length": [1, 20, 60],
    "min_length": [0, 5],
    "length_penalty": [0.0, 0.6, 1.0],
    "patience": [0.5, 1.0, 2.0],
    "length_ratio": [1.0, 2.0],
    "length_offset": [0, 50],
    "coverage_penalty": [0.0],
    "no_repeat_ngram_size": [0, 2, 3],
    "repetition_penalty": [1.0, 1.3],
    "prefix_bias": [0.0, 0.3],
    "temperature": [1.0, 0.7],
    "top_k": [0, 3],
    "top_p": [1.0, 0.9],
    "required_terms": ["Hund", "am Strand"],
    "target_prefixes": ["", "Ein", "Der"],
    "target_prefix": ["", "Ein"],
    "source_term": ["dog", "railway station"],
    "target_term": ["Hund", "Bahnhof"],
    "tformer.v1.GetModelRequest.name": ["en-de"],
    "tformer.v1.GetGlossaryRequest.name": ["terms"],
    "tformer.v1.DocumentConfig.name": [
        "a.md",
        "a.html",
        "a.json",
        "a.txt",
        "a.po",
        "a.srt",
        "a.docx",
    ],
}

WILD_TEXTS = [
    "", " ", "\0", "a\0b", "\n\n", "A dog. " * 40, "a" * 3000, "語" * 500, "👩‍👩‍👧‍👦" * 30,
    "a" + "\u0301\u0316" * 200, "\u200b" * 300, "\u202e" * 100, "\ufffd", "<p>A <b>dog</b>.</p>",
    "<" * 500, "<i>a</i>" * 100, "<script>", "&amp;" * 100, "1,000.50", "...", "x " * 800,
    "Ein Hund läuft am Strand.", "\U0010ffff", "a\ttab", "\u2028line", "tlh", "../../etc/passwd",
]  # fmt: skip

LARGE_TEXTS = ["A dog. " * 3000, "word " * 5000, "7" * 20_000, "<p>A <i>dog</i>.</p>" * 1000]

WILD_NUMBERS = [0, 1, -1, 2, 5, 63, 64, 65, 4095, 4096, 4097, 10**6, 2**31 - 1, -(2**31)]

FILES = [
    b"",
    b"A dog.",
    b"# Title\n\nA dog.",
    b"<p>A dog.</p>",
    b'{"a": "A dog."}',
    b'msgid ""\nmsgstr ""\n\nmsgid "A %s dog."\nmsgstr ""\n',
    b"1\n00:00:01,000 --> 00:00:02,000\nA dog.\n",
    b"PK\x03\x04",
    b"\xff\x00",
    b"# A dog\n\n- A cat.\n" * 100,
]
WILD_DOUBLES = [
    0.0, -0.0, 1.0, -1.0, 1e-300, 5e-324, 1e-3, 0.999999999999, 10.0, 100.0, 101.0, 1e18, 1e308,
    float("nan"), float("inf"), -float("inf"),
]  # fmt: skip


class Draw:
    """Messages at random."""

    def __init__(self, seed: str, wildness: float) -> None:
        """Start from a seed; ``wildness`` is the share of values that need not be plausible."""
        self.random = random.Random(seed)
        self._wildness = wildness

    def message(self, descriptor: Descriptor) -> Any:
        """A message of a type, with some of its fields."""
        message = GetMessageClass(descriptor)()
        for each in descriptor.fields:
            if self.random.random() < self._presence(each):
                self._fill(message, each)
        return message

    def part(self, descriptor: Descriptor, *, is_first: bool) -> Any:
        """Message of a stream: the configuration first, then items or chunks."""
        message = GetMessageClass(descriptor)()
        fields = [each for each in descriptor.fields if (each.name == "config") == is_first]
        self._fill(message, self.random.choice(fields or descriptor.fields))
        return message

    def damaged(self, message: Message) -> bytes:
        """The bytes of a message, a few of them changed."""
        data = bytearray(message.SerializeToString())
        for _ in range(self.random.randint(1, 4)):
            if data:
                data[self.random.randrange(len(data))] = self.random.randrange(256)
        return bytes(data)

    def _presence(self, each: FieldDescriptor) -> float:
        if each.name in ("contents", "content", "target_language_code", "config"):
            return 0.95
        return 0.15 if each.containing_type.name == "DecodingOptions" else 0.3

    def _fill(self, message: Any, each: FieldDescriptor) -> None:
        if each.is_repeated:
            values = getattr(message, each.name)
            for _ in range(self._count(each)):
                if each.type == FieldDescriptor.TYPE_MESSAGE:
                    values.add().CopyFrom(self.message(each.message_type))
                else:
                    values.append(self._value(each))
        elif each.type == FieldDescriptor.TYPE_MESSAGE:
            getattr(message, each.name).CopyFrom(self.message(each.message_type))
        else:
            setattr(message, each.name, self._value(each))

    def _count(self, each: FieldDescriptor) -> int:
        """Number of values of a repeated field."""
        if self.random.random() < 0.01 and self._wildness > 0.5:
            return self.random.choice([101, 2000, 10_001])
        if each.name == "target_prefixes" and self.random.random() < 0.5:
            return 1
        return self.random.choice([0, 1, 1, 1, 2, 3, 8, 40])

    def _value(self, each: FieldDescriptor) -> Any:
        if each.type == FieldDescriptor.TYPE_BYTES:
            return self.random.choice(FILES)
        plausible = PLAUSIBLE.get(each.full_name, PLAUSIBLE.get(each.name))
        if self.random.random() >= self._wildness:
            if plausible:
                return self.random.choice(plausible)
            if each.type == FieldDescriptor.TYPE_STRING:
                return self.random.choice(INNOCENT)
        if each.type == FieldDescriptor.TYPE_STRING:
            large = self.random.random() < 0.03
            return self.random.choice(LARGE_TEXTS if large else WILD_TEXTS)
        if each.type == FieldDescriptor.TYPE_DOUBLE:
            return self.random.choice(WILD_DOUBLES)
        if each.type == FieldDescriptor.TYPE_BOOL:
            return self.random.random() < 0.5
        if each.type == FieldDescriptor.TYPE_UINT64:
            return self.random.choice([0, 1, 2**64 - 1])
        return self.random.choice(WILD_NUMBERS)


@dataclass
class Report:
    """Result of a run."""

    codes: Counter[str] = field(default_factory=Counter)
    """Ends of the random calls, and of their texts."""
    defects: list[str] = field(default_factory=list)
    """Defects, a line each."""
    innocent: int = 0
    """Calls of innocent clients that were right."""
    health: list[float] = field(default_factory=list)
    """Seconds of the probes."""
    slow_probes: list[str] = field(default_factory=list)
    """Probes that took too long: seconds, and the calls that were under way."""
    resident_mb: list[int] = field(default_factory=list)
    """Memory of the server at the beginning and after each tenth of the time."""

    def health_p99(self) -> float:
        """Seconds in which 99 of 100 probes were answered."""
        return sorted(self.health)[int(0.99 * (len(self.health) - 1))] if self.health else 0.0


class Innocent:
    """Calls of clients that do nothing wrong, and the answers of a quiet server."""

    def __init__(self, channel: grpc.Channel) -> None:
        """Ask for all of it once."""
        self._asking = (self._call, self._stream, self._demanding)
        self._expected = [
            [ask(TranslationServiceStub(channel), text) for text in INNOCENT]
            for ask in self._asking
        ]

    def difference(self, channel: grpc.Channel, kind: int, number: int) -> str:
        """Compare an answer now with the expected one; empty if they are the same."""
        found = self._asking[kind](TranslationServiceStub(channel), INNOCENT[number])
        expected = self._expected[kind][number]
        return "" if found == expected else f"{found} instead of {expected}"

    @staticmethod
    def _call(stub: TranslationServiceStub, text: str) -> list[str]:
        request = pb.TranslateTextRequest(
            contents=[text, text.upper()], source_language_code="en", target_language_code="de"
        )
        return _said(stub.TranslateText(request, timeout=60).translations)

    @staticmethod
    def _stream(stub: TranslationServiceStub, text: str) -> list[str]:
        config = pb.StreamConfig(source_language_code="en", target_language_code="de")
        texts = [text, text.lower(), ""]
        items = [pb.StreamTranslateTextRequest(item=pb.StreamItem(content=each)) for each in texts]
        messages = [pb.StreamTranslateTextRequest(config=config), *items]
        answers = stub.StreamTranslateText(iter(messages), timeout=60)
        return _said([answer.translation for answer in answers])

    @staticmethod
    def _demanding(stub: TranslationServiceStub, text: str) -> list[str]:
        request = pb.TranslateTextRequest(
            contents=[text],
            target_language_code="de",
            options=pb.DecodingOptions(beam_size=4, n_best=2, alignments=True),
            glossary_config=pb.GlossaryConfig(glossary="terms"),
        )
        return _said(stub.TranslateText(request, timeout=60).translations)


def _said(translations: Sequence[pb.Translation]) -> list[str]:
    """Texts, rounded scores and terms, which are the same whatever else a server does."""
    return [
        str(each.error)
        if each.HasField("error")
        else f"{each.translated_text} {each.score:.3f} "
        + " ".join(
            f"{hypothesis.text} {len(hypothesis.alignment)}" for hypothesis in each.hypotheses
        )
        + " ".join(f"{use.target_term} {use.honoured}" for use in each.glossary_terms)
        for each in translations
    ]


class Attack:
    """Random calls, innocent ones and probes at the same time."""

    def __init__(self, server: Served, seed: int, seconds: float) -> None:
        """Nothing is sent yet."""
        self._server = server
        self._seed = seed
        self._seconds = seconds
        self._over = threading.Event()
        self._lock = threading.Lock()
        self.report = Report()
        self._under_way: dict[int, str] = {}
        with server.channel() as channel:
            self._innocent = Innocent(channel)

    def run(self, attackers: int = 4) -> Report:
        """Send for as long as was asked."""
        work: list[Callable[[], None]] = [self._probe]
        work += [lambda n=n: self._attack(n) for n in range(attackers)]  # type: ignore[misc]
        work += [lambda n=n: self._be_innocent(n) for n in range(3)]  # type: ignore[misc]
        threads = [threading.Thread(target=each) for each in work]
        for thread in threads:
            thread.start()
        for _ in range(10):
            self.report.resident_mb.append(round(self._server.resident_mb))
            time.sleep(self._seconds / 10)
        self.report.resident_mb.append(round(self._server.resident_mb))
        self._over.set()
        for thread in threads:
            thread.join()
        if self.report.health_p99() > HEALTH_SECONDS:
            self._defect(f"health: p99 of {self.report.health_p99():.2f} s")
        if self._server.process.poll() is not None:
            self._defect(f"the server has ended: {self._server.process.returncode}")
        for line in self._server.lines():
            if "traceback" in line:
                self._defect(f"in the log: {str(line['traceback'])[-300:]}")
        return self.report

    def _defect(self, text: str) -> None:
        with self._lock:
            self.report.defects.append(text)

    def _count(self, code: str, what: str) -> None:
        with self._lock:
            self.report.codes[code] += 1
        if code in ("INTERNAL", "UNKNOWN", "UNAVAILABLE", "DATA_LOSS"):
            self._defect(f"{code}: {what[:600]}")

    # --- the three kinds of clients ---

    def _attack(self, number: int) -> None:
        call = 0
        with self._server.channel() as channel:
            while not self._over.is_set():
                call += 1
                name = f"{self._seed}/{number}/{call}"
                wildness = random.Random(name).choice([0.05, 0.2, 0.6])
                draw = Draw(name, wildness)
                self._under_way[number] = name
                self._one(channel, draw, name)

    def _one(self, channel: grpc.Channel, draw: Draw, name: str) -> None:
        service = draw.random.choices([*SERVICES], [*SERVICES.values()])[0]
        method = draw.random.choice(service.methods)
        path = f"/{service.full_name}/{method.name}"
        requests = list(self._requests(draw, method))
        timeout = draw.random.choice([0.01, 0.5, 5, 5, 5])
        call = channel.stream_stream(path, None, None)
        try:
            answers = call(iter(requests), timeout=timeout)
            for answer in answers:
                self._look_at(method, answer, name)
                if draw.random.random() < 0.02:
                    answers.cancel()
            self._count("OK", name)
        except grpc.RpcError as error:
            self._count(error.code().name, f"{name} {path} {error.details()}")

    def _requests(self, draw: Draw, method: MethodDescriptor) -> Iterator[bytes]:
        number = draw.random.choice([0, 1, 2, 5, 20]) if method.client_streaming else 1
        for index in range(number):
            message = draw.message(method.input_type)
            if method.client_streaming and draw.random.random() < 0.9:
                message = draw.part(method.input_type, is_first=not index)
            damaged = draw.random.random() < 0.05
            yield draw.damaged(message) if damaged else message.SerializeToString()

    def _look_at(self, method: MethodDescriptor, answer: bytes, name: str) -> None:
        found = GetMessageClass(method.output_type).FromString(answer)
        for each in (*getattr(found, "translations", ()), getattr(found, "translation", None)):
            if each is not None and each.DESCRIPTOR.full_name == ITEM and each.HasField("error"):
                code = grpc.StatusCode.INTERNAL if each.error.code == 13 else None
                self._count(code.name if code else f"text {each.error.code}", name)

    def _be_innocent(self, kind: int) -> None:
        number = 0
        with self._server.channel() as channel:
            while not self._over.is_set():
                number = (number + 1) % len(INNOCENT)
                try:
                    wrong = self._innocent.difference(channel, kind, number)
                except grpc.RpcError as error:
                    wrong = f"{error.code().name} {error.details()}"
                if wrong:
                    self._defect(f"innocent {kind}: {wrong}")
                else:
                    with self._lock:
                        self.report.innocent += 1

    def _probe(self) -> None:
        with self._server.channel() as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            while not self._over.is_set():
                started = time.monotonic()
                try:
                    stub.Check(health_pb2.HealthCheckRequest(), timeout=30)
                except grpc.RpcError as error:
                    self._defect(f"health: {error.code().name}")
                seconds = time.monotonic() - started
                self.report.health.append(seconds)
                if seconds > HEALTH_SECONDS:
                    calls = ", ".join(self._under_way.values())
                    self.report.slow_probes.append(f"{seconds:.2f} s: {calls}")
                time.sleep(0.02)


def _served(model: str, folder: str) -> list[str]:
    """Arguments of the server, whose glossary and datastore are made in a folder."""
    terms, pairs, store = (str(Path(folder, name)) for name in ("terms.csv", "pairs.tsv", "store"))
    Path(terms).write_text("en,de\ndog,Köter\nrailway station,Bahnstation\n")
    Path(pairs).write_text("".join(f"{text}\tEin Hund {n}.\n" for n, text in enumerate(INNOCENT)))
    build = ["memory", "build", pairs, "-s", "en", "-t", "de", "-m", model, "-o", store]
    subprocess.run([sys.executable, "-m", "tformer.cli", *build], check=True, capture_output=True)
    options = {
        "model": f"en-de={model}",
        "glossary": f"terms={terms}",
        "datastore": f"pairs={store}",
    }
    return [
        "--open-admin",
        *(part for name, value in options.items() for part in (f"--{name}", value)),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz, print what came of it, and return 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", default="en-de")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, served(*_served(chosen.model, folder)) as server:
        report = Attack(server, chosen.seed, chosen.seconds).run()
    print(
        json.dumps(
            {
                "processor": processor(),
                "seconds": chosen.seconds,
                "seed": chosen.seed,
                "random_calls": dict(report.codes),
                "innocent_calls_right": report.innocent,
                "health_p99_seconds": round(report.health_p99(), 3),
                "health_max_seconds": round(max(report.health, default=0.0), 3),
                "slow_probes": report.slow_probes,
                "resident_mb": report.resident_mb,
                "defects": len(report.defects),
            },
            indent=2,
        )
    )
    for defect, times in Counter(report.defects).most_common(20):
        print(f"{times}x {defect}", file=sys.stderr)
    return bool(report.defects)


if __name__ == "__main__":
    sys.exit(main())
