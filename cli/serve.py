"""`tformer serve`: the gRPC server."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from tformer.cli import console, options
from tformer.cli.serve_settings import read_settings
from tformer.model.errors import UsageError
from tformer.model.options import DecodingOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tformer.server.access.tls import TlsFiles


class LogLevel(StrEnum):
    """Levels of the log."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def print_reach(commands: Sequence[str]) -> None:
    """Tell a person at a terminal how to reach the server."""
    for command in commands:
        console.note(f"try it: {command}")


def serve(
    config: Annotated[
        Path | None,
        Option(
            metavar="TOML",
            help="File of settings, named as these options are. Options on the command line come "
            "first, then variables TFORMER_SERVE_*, then the file.",
            is_eager=True,
            callback=read_settings,
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        Option(
            "--model",
            "-m",
            metavar="NAME|DIR|NAME=DIR",
            help="Model, and its name for clients; repeatable, the first is the default. "
            f"Without any, {options.DEFAULT_MODEL}.",
        ),
    ] = None,
    glossary: Annotated[
        list[str] | None,
        Option(
            metavar="NAME=FILE",
            help="Glossary for clients, .csv, .tsv or .tbx; repeatable, files of one name "
            "are one glossary.",
        ),
    ] = None,
    datastore: Annotated[
        list[str] | None,
        Option(
            metavar="NAME=DIR",
            help="Datastore for clients, made by `tformer memory build` with one of the models; "
            "repeatable.",
        ),
    ] = None,
    listen: Annotated[
        str, Option(metavar="HOST:PORT|unix:PATH", help="Listening address; port 0 is any.")
    ] = "127.0.0.1:50051",
    http: Annotated[
        str | None,
        Option(
            metavar="HOST:PORT",
            help="Answer HTTP too: the APIs of LibreTranslate, DeepL, Google and OpenAI, JSON and "
            "a page. Needs tformer[http].",
        ),
    ] = None,
    page: Annotated[
        bool, Option("--page/--no-page", help="Serve a page to translate with, at / of HTTP.")
    ] = True,
    cors: Annotated[
        list[str] | None,
        Option(
            metavar="ORIGIN",
            help="Origin of web pages that may call over HTTP, as https://example.org; "
            "repeatable, * is every one.",
        ),
    ] = None,
    beam_size: Annotated[
        int, Option(metavar="N", help="Largest beam size of a request.")
    ] = DecodingOptions.beam_size,
    device: options.DeviceOption = options.Device.AUTO,
    dtype: options.DtypeOption = options.Dtype.AUTO,
    threads: options.ThreadsOption = None,
    queue_tokens: Annotated[
        int, Option(metavar="N", help="Admission limit: most tokens in work.")
    ] = 100_000,
    max_wait: Annotated[
        float, Option(metavar="SECONDS", help="Refuse calls that have waited so long.")
    ] = 30.0,
    cache: Annotated[
        int,
        Option(metavar="N", help="Size of the translation cache in characters; 0 turns it off."),
    ] = 0,
    max_message: Annotated[
        int, Option(metavar="BYTES", help="The largest message that is read.")
    ] = 4 << 20,
    max_calls: Annotated[
        int,
        Option(metavar="N", help="Calls under way at most; one client gets at most half of them."),
    ] = 4096,
    max_streams: Annotated[
        int, Option(metavar="N", help="Calls under way on one connection, at most.")
    ] = 1000,
    max_connections: Annotated[int, Option(metavar="N", help="Connections at most.")] = 10_000,
    max_connection_age: Annotated[
        float | None,
        Option(metavar="SECONDS", help="Ask connections to end after so long; without it, never."),
    ] = None,
    connection_grace: Annotated[
        float | None,
        Option(
            metavar="SECONDS",
            help="What calls on such a connection have left; without it, what they need.",
        ),
    ] = None,
    grace: Annotated[
        float, Option(metavar="SECONDS", help="Time for accepted work after SIGTERM.")
    ] = 30.0,
    metrics: Annotated[
        str | None, Option(metavar="HOST:PORT", help="Address of the Prometheus endpoint.")
    ] = None,
    open_metrics: Annotated[
        bool,
        Option("--open-metrics", help="Allow metrics beyond this machine, without authentication."),
    ] = False,
    tokens: Annotated[
        Path | None,
        Option(metavar="TOML", help="File of bearer tokens; `tformer token` makes them."),
    ] = None,
    tls_certificate: Annotated[
        Path | None, Option(metavar="PEM", help="TLS certificate of the server.")
    ] = None,
    tls_key: Annotated[
        Path | None, Option(metavar="PEM", help="Private key of the certificate.")
    ] = None,
    tls_client_ca: Annotated[
        Path | None,
        Option(metavar="PEM", help="CA of client certificates (mutual TLS)."),
    ] = None,
    insecure: Annotated[
        bool, Option("--insecure", help="Listen beyond this machine without TLS.")
    ] = False,
    open_reflection: Annotated[
        bool, Option("--open-reflection", help="Allow reflection without a token.")
    ] = False,
    open_admin: Annotated[
        bool,
        Option("--open-admin", help="Allow AdminService to everybody who may translate."),
    ] = False,
    max_document: Annotated[
        int, Option(metavar="BYTES", help="The largest document, unpacked, that is translated.")
    ] = 32 << 20,
    document_memory: Annotated[
        int, Option(metavar="BYTES", help="Documents that are in work together, at most.")
    ] = 128 << 20,
    log_level: Annotated[
        LogLevel, Option(help="Least level that is logged.", case_sensitive=False)
    ] = LogLevel.INFO,
    access_log: Annotated[
        bool, Option("--access-log/--no-access-log", help="Log a line for every call.")
    ] = True,
    log_text: Annotated[
        bool, Option("--log-text", help="Log every text and its translation.")
    ] = False,
) -> None:
    """Serve translations over gRPC and HTTP.

    SIGTERM and Ctrl-C drain: accepted work is finished, new calls are refused; a second signal
    stops at once. SIGHUP reloads models and glossaries whose files have changed. The log on stderr
    is a JSON object a line, without texts unless --log-text is given. Every option can be set by a
    variable, as TFORMER_SERVE_MAX_WAIT=10, and in a file, see --config.
    """
    tls = _tls(tls_certificate, tls_key, tls_client_ca)
    DecodingOptions(beam_size=beam_size)
    from tformer.server.access.address import Address
    from tformer.server.http.options import HttpOptions
    from tformer.server.lifecycle import ServerOptions
    from tformer.server.limits import Limits
    from tformer.server.observability import logs
    from tformer.server.process import run
    from tformer.server.sources import DatastoreSource, GlossarySource, ModelSource, Settings
    from tformer.server.storage import Storage

    chosen = ServerOptions(
        models=tuple(ModelSource.parse(text) for text in model or [options.DEFAULT_MODEL]),
        listen=Address.parse(listen),
        http=HttpOptions(Address.parse(http), tuple(cors or ()), page) if http else None,
        glossaries=tuple(map(GlossarySource.parse, glossary or [])),
        settings=Settings(
            device=device,
            dtype=dtype,
            threads=threads,
            beam_size=beam_size,
            max_wait=max_wait,
            datastores=tuple(map(DatastoreSource.parse, datastore or [])),
        ),
        queue_tokens=queue_tokens,
        cache_characters=cache,
        max_message_bytes=max_message,
        limits=Limits(
            max_calls, max_connections, max_streams, max_connection_age, connection_grace
        ),
        grace=grace,
        metrics=Address.parse(metrics) if metrics else None,
        open_metrics=open_metrics,
        tokens=tokens,
        tls=tls,
        insecure=insecure,
        open_reflection=open_reflection,
        open_admin=open_admin,
        log_text=log_text,
        storage=Storage(max_document, document_memory),
    )
    with logs.logging_to_stderr(log_level, calls=access_log):
        run(chosen, print_reach if sys.stderr.isatty() else None)


def _tls(certificate: Path | None, key: Path | None, client_ca: Path | None) -> TlsFiles | None:
    if certificate is None and key is None and client_ca is None:
        return None
    if certificate is None or key is None:
        raise UsageError("TLS needs both --tls-certificate and --tls-key")
    from tformer.server.access.tls import TlsFiles

    return TlsFiles(certificate, key, client_ca)
