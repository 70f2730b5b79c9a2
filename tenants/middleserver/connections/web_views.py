"""The gateway's addresses: messages, uploads in pieces in the manner of tus, downloads, the network's messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

from flask import Blueprint, Flask, Response, jsonify, request
from flask.typing import ResponseReturnValue
from prometheus_client import CONTENT_TYPE_LATEST

from chukan.platform.clock import as_tokyo
from chukan.tenants.middleserver.connections import errors, rules
from chukan.tenants.middleserver.connections.intake import own_upload
from chukan.tenants.middleserver.connections.rules import Allowed, RateKind
from chukan.tenants.middleserver.connections.web import Services, common_name, gateway_application, install, visit
from chukan.tenants.middleserver.duplicate_copies.errors import ManifestMalformed
from chukan.tenants.middleserver.duplicate_copies.rules import MAX_FILE_BYTES, MAX_PIECE_BYTES, FileForm
from chukan.tenants.middleserver.duplicate_copies.service import Manifest
from chukan.tenants.middleserver.duplicate_copies.store import Upload
from chukan.tenants.middleserver.formats.codes import InformationCode, information_code, information_code_of

_ADDRESSES = Blueprint("gateway", __name__)
_KINDS: Mapping[str, RateKind] = {"gateway.message": RateKind.MESSAGES, "gateway.put_piece": RateKind.PIECES}
_PIECE = "application/offset+octet-stream"
_CSV = "text/csv; charset=utf-8"
_FIELDS = frozenset({"name", "form", "information", "dataset", "sha256", "records"})


def make_gateway(services: Services) -> Flask:
    """Return the gateway over *services*."""
    return install(gateway_application(services, _KINDS), _ADDRESSES, _machines(services))


def _machines(services: Services) -> Blueprint:
    """Return what machines ask on the loopback: is it there, is it ready, and its figures."""
    pages = Blueprint("probes", __name__)

    @pages.get("/healthz")
    def healthz() -> Response:
        return Response("ok", content_type="text/plain")

    @pages.get("/readyz")
    def readyz() -> ResponseReturnValue:
        told, status = services.probe.readiness(services.clock.now())
        return jsonify(told), status

    @pages.get("/metrics")
    def metrics() -> Response:
        return Response(services.probe.metrics(services.clock.now()), content_type=CONTENT_TYPE_LATEST)

    return pages


@_ADDRESSES.post("/if/<message_type>")
def message(message_type: str) -> Response:
    """Take a message of an existing system (decision 30)."""
    here = visit()
    intake = here.services.intake
    if message_type not in intake.types:
        raise errors.AddressUnknown
    if request.mimetype not in {"application/xml", "text/xml"}:
        raise errors.ContentTypeWrong(expected="application/xml")
    written = request.headers.get("Idempotency-Key")
    key = None if written is None else rules.idempotency_key(written)
    reply = intake.handle(here.request, message_type, request.get_data(), key)
    return Response(reply.body, reply.status, content_type=reply.content_type)


@_ADDRESSES.route("/uploads", methods=["OPTIONS"], provide_automatic_options=False)
def manner() -> Response:
    """Say what of tus is offered."""
    told = {
        "Tus-Version": "1.0.0",
        "Tus-Extension": "creation,checksum,termination",
        "Tus-Checksum-Algorithm": "sha256",
        "Tus-Max-Size": str(MAX_FILE_BYTES),
        "Upload-Max-Piece": str(MAX_PIECE_BYTES),
    }
    return Response(status=204, headers=told)


@_ADDRESSES.post("/uploads")
def begin() -> Response:
    """Announce a file; the same file once more is given its upload."""
    here = visit()
    asked = here.allow(Allowed.UPLOADS)
    manifest = _manifest(asked.system.department)
    begun = here.services.uploads.begin(asked.caller, manifest, now=asked.now)
    # The same bytes may be another department's upload, which this one cannot see.
    upload = own_upload(here.services.uploads, asked.system, begun.upload.id)
    headers = {"Location": f"/uploads/{upload.id}", **_standing(upload)}
    return Response(status=200 if begun.repeated else 201, headers=headers)


@_ADDRESSES.route("/uploads/<uuid:upload>", methods=["HEAD"])
def offset(upload: UUID) -> Response:
    """Say how far a file has come."""
    return Response(headers=_standing(_own(upload)))


@_ADDRESSES.patch("/uploads/<uuid:upload>")
def put_piece(upload: UUID) -> Response:
    """Take the piece that begins at Upload-Offset."""
    if request.mimetype != _PIECE:
        raise errors.ContentTypeWrong(expected=_PIECE)
    begins = rules.offset_of(request.headers.get("Upload-Offset"))
    checksum = rules.checksum_of(request.headers.get("Upload-Checksum"))
    _own(upload)
    here = visit()
    # Read as a whole: of a piece whose line broke nothing is kept.
    piece = request.get_data(cache=False)
    taken = here.services.uploads.put_piece(here.request.system.tenant, upload, begins, piece, checksum)
    return Response(status=204, headers=_standing(taken))


@_ADDRESSES.delete("/uploads/<uuid:upload>")
def cancel(upload: UUID) -> Response:
    """Give up a file."""
    _own(upload)
    here = visit()
    here.services.uploads.cancel(here.request.caller, upload, now=here.now)
    return Response(status=204)


@_ADDRESSES.get("/uploads/<uuid:upload>")
def status(upload: UUID) -> dict[str, object]:
    """Tell how a file stands."""
    return _shape(_own(upload))


@_ADDRESSES.get("/uploads/<uuid:upload>/errors")
def error_report(upload: UUID) -> Response:
    """Tell what is wrong with a file, record by record."""
    known = _own(upload)
    here = visit()
    if (tried := here.services.intake.trial_report(here.request, known)) is not None:
        return Response(tried.body, tried.status, content_type=tried.content_type)
    return _csv(here.services.uploads.error_report(here.request.caller, upload))


@_ADDRESSES.get("/management-information")
def management_information() -> Response:
    """Tell what is registered, without its content (A0-091)."""
    here = visit()
    asked = here.allow(Allowed.MANAGEMENT_INFORMATION)
    wanted = request.args.get("information")
    code = None if wanted is None else information_code(wanted)
    return _csv(here.services.copies.management_information(asked.caller, code))


@_ADDRESSES.post("/network/messages")
def network_message() -> Response:
    """Take a message of the national network; the answer is the signed receipt."""
    here = visit()
    reception = here.services.reception
    if reception is None:
        raise errors.AddressUnknown
    answer = reception.receive(request.get_data(), common_name(here.certificate), now=here.now)
    return Response(answer.content, answer.status, content_type="application/jose")


def _own(upload: UUID) -> Upload:
    here = visit()
    asked = here.allow(Allowed.UPLOADS)
    return own_upload(here.services.uploads, asked.system, upload)


def _manifest(department: str) -> Manifest:
    """Return what the headers announce; the department is that of the certificate."""
    told = rules.metadata_of(request.headers.get("Upload-Metadata"))
    if told.keys() != _FIELDS:
        raise ManifestMalformed(field=", ".join(sorted(told.keys() ^ _FIELDS)))
    if told["form"] not in set(FileForm):
        raise ManifestMalformed(field="form")
    if not (told["records"].isascii() and told["records"].isdigit() and len(told["records"]) < 10):
        raise ManifestMalformed(field="records")
    return Manifest(
        name=told["name"],
        form=FileForm(told["form"]),
        information=InformationCode(told["information"]),
        dataset=told["dataset"],
        size=rules.length_of(request.headers.get("Upload-Length")),
        sha256=told["sha256"],
        records=int(told["records"]),
        department=department,
    )


def _standing(upload: Upload) -> dict[str, str]:
    return {
        "Upload-Offset": str(upload.received),
        "Upload-Length": str(upload.size),
        "Upload-State": upload.state.value,
    }


def _shape(upload: Upload) -> dict[str, object]:
    instants = {"begun_at": upload.begun_at, "received_at": upload.received_at, "finished_at": upload.finished_at}
    return {
        "upload": str(upload.id),
        "state": upload.state.value,
        "name": upload.name,
        "form": upload.form.value,
        "information": information_code_of(upload.information),
        "dataset": f"{upload.dataset:04d}",
        "size": upload.size,
        "received": upload.received,
        "expected": upload.expected,
        "in_file": upload.records,
        "registered": upload.registered,
        "deleted": upload.deleted,
        "faults": upload.faults,
        **{name: None if at is None else as_tokyo(at).isoformat(timespec="seconds") for name, at in instants.items()},
    }


def _csv(lines: Iterable[str]) -> Response:
    """Return *lines* as CSV, sent as they are made: what is registered may be millions of lines."""
    return Response((line.encode() for line in lines), content_type=_CSV)
