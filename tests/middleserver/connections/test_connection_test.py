"""The vendors' connection test against the gateway behind its real front: what is right, and what is found wrong."""

from __future__ import annotations

import json
import os
import re
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar
from uuid import NAMESPACE_OID, uuid4, uuid5

import html5lib
import pytest
from lxml import etree
from typing_extensions import override

from chukan import cli
from chukan.platform.clock import SystemClock
from chukan.tenants.middleserver.connections.connection_test import own_messages
from chukan.tenants.middleserver.connections.connection_test.bench import Bench, run
from chukan.tenants.middleserver.connections.connection_test.certificates import Files
from chukan.tenants.middleserver.connections.connection_test.client import Address
from chukan.tenants.middleserver.connections.connection_test.documents import Sender
from chukan.tenants.middleserver.connections.connection_test.rules import Dataset, Outcome, passed
from chukan.tenants.middleserver.connections.connection_test.service import STEPS
from chukan.tenants.middleserver.connections.connection_test.steps_connection import CONNECTION
from chukan.tenants.middleserver.connections.rules import Allowed
from support.gateway import DEPARTMENT, SYSTEM, Authority, Card
from support.program import chukan
from support.served_gateway import LONG_AGO, Served, free_port

#: An invented organisation whose region is that of the tests' masters, and one whose region is not.
ORGANISATION, ELSEWHERE = "132101", "131016"
#: A number that belongs to production; invented.
STRANGER = "000000123456789"
SAMPLES = Path(__file__).parents[3] / "docs/interfaces/samples"


def command(served: Served, card: Card, **changes: str) -> list[str]:
    """Return the command of a vendor with *card*."""
    return command_at(served.port, served.folder, card, **changes)


def command_at(port: int, folder: Path, card: Card, **changes: str) -> list[str]:
    """Return the command of a vendor with *card* whose files are in *folder*."""
    file = card.written(folder, card.fingerprint[:16])
    options = {
        "gateway": f"https://localhost:{port}",
        "certificate": str(file),
        "key": str(file),
        "ca": str(folder / "ca.pem"),
        "organisation": ORGANISATION,
        "department": DEPARTMENT,
        "system": SYSTEM,
        "dataset": "TM00000000000002/0101/4",
        **changes,
    }
    return ["connection-test", "--json", *(word for name, value in options.items() for word in (f"--{name}", value))]


def report_of(words: list[str], capsys: pytest.CaptureFixture[str], code: int = 1) -> dict[str, Any]:
    """Run the command and return its report."""
    assert cli.run(words) == code
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def outcomes(report: Mapping[str, Any]) -> dict[str, str]:
    return {each["step"]: each["outcome"] for each in report["steps"]}


def findings(report: Mapping[str, Any], step: str) -> list[dict[str, Any]]:
    return next(each["findings"] for each in report["steps"] if each["step"] == step)


def of_test_mode(sample: Path) -> str:
    """Return a documented sample as one of the test mode, with its persons."""
    content = sample.read_text("utf-8").replace("<MSGMode>0<", "<MSGMode>1<")
    return re.sub(r"\b00000000000000([0-9])\b", r"99999999999900\1", content)


def test_a_right_system_passes_every_step_with_nothing_but_the_command_line(served: Served, tmp_path: Path) -> None:
    caller, messages = served.caller(), tmp_path / "messages"
    messages.mkdir()
    for sample in SAMPLES.iterdir():
        (messages / sample.name).write_text(of_test_mode(sample), "utf-8")
    page = tmp_path / "report.html"
    words = command(served, caller.card, messages=str(messages), report=str(page))
    ended = chukan(*words, environment={"PATH": os.environ["PATH"], "HOME": str(tmp_path)})
    report = json.loads(ended.stdout)
    wrong = [each for each in report["steps"] if each["outcome"] != "pass"]
    assert (ended.returncode, wrong) == (0, [])
    steps = [each["step"] for each in report["steps"]]
    assert steps[: len(STEPS)] == [each.name for each in STEPS]
    # Each file, but for the attachment that goes with its message.
    assert len(steps) - len(STEPS) == len(list(SAMPLES.iterdir())) - 1
    written = page.read_text("utf-8")
    html5lib.HTMLParser(strict=True).parse(written)
    assert "合格" in written
    assert caller.card.fingerprint in written
    # Nothing is left behind at the organisation.
    left = "select count(*) from {}.upload where state <> 'cancelled'"
    assert served.entrance.count(caller.tenant, left) == 0
    assert served.entrance.count(caller.tenant, "select count(*) from {}.inquiry_reception") == 0


def test_a_system_that_is_registered_for_less_is_tested_for_that(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    card = served.caller(frozenset({Allowed.PROVISIONS})).card
    found = outcomes(report_of(command(served, card), capsys, 0))
    done = {"files", "tls", "registered", "sender", "provision-waiting", "provision-decision", "provision-bars"}
    assert {step for step, outcome in found.items() if outcome == "pass" and not step.startswith("refused")} == done
    assert found["refused-schema"] == found["refused-person"] == found["refused-provision"] == "pass"
    assert found["codes"] == found["copies-announce"] == found["inquiry-list"] == "skip"


# -- certificates ------------------------------------------------------------------------------------


def first_failure(report: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    step = next(each for each in report["steps"] if each["outcome"] == "fail")
    return step["step"], step["findings"][0]


def test_certificates_that_are_not_taken_are_told_apart(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    stranger = Authority("Clients", now=LONG_AGO).issue("stranger", days=20_000)
    nobody = served.authority.issue("nobody", days=20_000)
    expired = served.authority.issue("expired", days=300)
    told = {}
    for name, card in {"stranger": stranger, "nobody": nobody, "expired": expired}.items():
        report = report_of(command(served, card), capsys)
        told[name] = [each["error"] for step in report["steps"] for each in step["findings"]]
        assert all(each["outcome"] == "skip" for each in report["steps"][3:])
    assert told == {
        "stranger": ["line.client_untrusted"],
        "nobody": ["connections.certificate_unknown"],
        # Seen in the file itself, and then refused by the gateway.
        "expired": [None, "line.client_expired"],
    }


def test_a_certificate_of_another_organisation_or_department_is_named(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    card = served.caller(frozenset({Allowed.UPLOADS})).card
    report = report_of(command(served, card, organisation=ELSEWHERE), capsys)
    step, finding = first_failure(report)
    assert (step, finding["error"], finding["side"]) == ("copies-register", "region", "vendor")
    assert ELSEWHERE in finding["what"]
    # It says so once: what builds on it is not tried.
    assert report["counts"]["fail"] == 1
    for option, field in (("department", "RequestSourceUnitCode"), ("system", "SourceSystemID")):
        step, finding = first_failure(report_of(command(served, card, **{option: "A999999999"}), capsys))
        assert (step, finding["error"], finding["element"]) == ("sender", "connections.sender_mismatch", field)


def test_a_line_that_does_not_come_about_is_explained(
    served: Served, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    card, other = served.caller().card, Authority("Clients", now=LONG_AGO)
    foreign = tmp_path / "foreign.pem"
    foreign.write_bytes(Card(other.certificate, other.key).pem)
    changes = {
        "line.refused": {"gateway": f"https://localhost:{free_port()}"},
        "line.server_untrusted": {"ca": str(foreign)},
        "line.server_name": {"gateway": f"https://127.0.0.1:{served.port}"},
        "line.name": {"gateway": "https://gateway.invalid"},
    }
    for error, change in changes.items():
        step, finding = first_failure(report_of(command(served, card, **change), capsys))
        assert (step, finding["error"]) == ("tls", error)


def test_a_key_that_does_not_fit_is_found_before_anything_is_sent(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    key = served.authority.issue("other", days=20_000).written(served.folder, "other")
    report = report_of(command(served, served.caller().card, key=str(key)), capsys)
    step, finding = first_failure(report)
    assert (step, finding["file"]) == ("files", "other.pem")
    assert set(outcomes(report).values()) == {"fail", "skip"}


@pytest.mark.parametrize(
    "change",
    [
        {"gateway": "http://localhost:8444"}, {"gateway": "https://localhost/path"}, {"organisation": "132100"},
        {"department": "no code"}, {"dataset": "0101"},
    ],
)  # fmt: skip
def test_options_that_cannot_be_right_are_refused_before_anything_is_sent(
    served: Served, capsys: pytest.CaptureFixture[str], change: dict[str, str]
) -> None:
    report = report_of(command(served, served.authority.issue("nobody", days=20_000), **change), capsys, 2)
    assert report["error"] == "command_line.misused"


# -- a vendor's own messages ----------------------------------------------------------------------------


def write_wrong(folder: Path) -> None:
    """Write a directory of messages with what vendors get wrong."""
    single, several = (of_test_mode(SAMPLES / f"IF_SKI_{number}_R01.xml") for number in ("10712", "10723"))
    registration = of_test_mode(SAMPLES / "IF_DBM_20113_R01.xml")
    name = "DBM_20113_ATTACH_TM00000000000002_A000000001_0101_001"
    attachment = of_test_mode(SAMPLES / f"{name}.csv").replace(",2019,1,-1234567890123,", ",2019,7,-1234567890123,")

    def with_id(text: str, digit: int) -> str:
        return re.sub(r"<MSGID>.*?<", f"<MSGID>5f1c1f0e-6f0f-4d0a-9a51-00000000000{digit}<", text)

    wrong = {
        "encoding.xml": with_id(single, 1).replace("<Sing", "<!-- 照会 --><Sing").encode("cp932"),
        "digits.xml": with_id(several, 2).replace("999999999999001", STRANGER[:14]).encode(),
        "production.xml": with_id(single, 3).replace("Mode>1", "Mode>0").replace("999999999999000", STRANGER).encode(),
        "department.xml": with_id(single, 4).replace("3595115400", "1234567890").encode(),
        "condition.xml": with_id(single, 5).replace("<Kind>0</Kind>", "<Kind>1</Kind>").encode(),
        "twice.xml": with_id(single, 5).encode(),
        "type.xml": with_id(single, 6).replace("IF_SKI_10712_R01", "IF_SKI_10723_R01").encode(),
        "cut.xml": with_id(single, 7)[:-20].encode(),
        "missing.xml": with_id(registration, 8).replace(name, "DBM_20113_ATTACH_NONE").encode(),
        f"{name}.csv": attachment.encode(),
    }
    for file, content in wrong.items():
        (folder / file).write_bytes(content)


def test_what_is_wrong_with_a_vendors_messages_is_found_and_placed_and_no_value_repeated(
    served: Served, tmp_path: Path
) -> None:
    write_wrong(tmp_path)
    caller = served.caller()
    file = caller.card.written(served.folder, "vendor")
    bench = Bench(
        address=Address("localhost", served.port), files=Files(file, file, served.folder / "ca.pem"),
        sender=Sender(ORGANISATION, DEPARTMENT, SYSTEM, "user01"), dataset=Dataset("TM00000000000002", "0101", 4),
        run="run", now=SystemClock().now(), seconds=30,
    )  # fmt: skip
    assert passed(run(CONNECTION, bench))
    results = own_messages.run(bench, tmp_path)
    said = json.dumps([each.shape() for each in results], ensure_ascii=False)
    assert STRANGER[:14] not in said
    found = {
        each.title: [(finding.line, finding.element.rsplit("/", 1)[-1]) for finding in each.findings]
        for each in results
    }
    assert found == {
        "encoding.xml": [(2, "")],
        "digits.xml": [(24, "IntegratedAddressNumber")],
        "production.xml": [(6, "MSGMode"), (13, "IntegratedAddressNumber")],
        "department.xml": [(10, "RequestSourceUnitCode")],
        "condition.xml": [(17, "Condition")],
        "twice.xml": [(0, "MSGID")],
        "type.xml": [(5, "MSGTypeID")],
        "cut.xml": [(23, "")],
        "missing.xml": [(0, "AttachedFileName")],
        "DBM_20113_ATTACH_TM00000000000002_A000000001_0101_001.csv": [(2, "DECLARED")],
    }
    assert "Shift_JIS" in said
    assert {each.outcome for each in results} == {Outcome.FAIL}
    assert served.entrance.count(caller.tenant, "select count(*) from {}.inquiry_reception") == 0


# -- a gateway that answers wrongly -------------------------------------------------------------------------


def code_answer(body: bytes, **changes: str) -> bytes:
    """Return the right answer to a request for codes, but for *changes*; the same to the same request."""
    asked = etree.fromstring(body)
    told = {
        "id": str(uuid5(NAMESPACE_OID, body.hex())),
        "reception": asked.findtext("MessageHeader/MSGID") or "",
        "result": "requested",
        "prefix": "TEST-",
        **changes,
    }
    entries = "".join(
        f"<Entry><IntegratedAddressNumber>{each.text}</IntegratedAddressNumber><Result>{told['result']}</Result>"
        f"<ProcessingSerial>{told['prefix']}{each.text}</ProcessingSerial></Entry>"
        for each in asked.iterfind("IntegratedAddressNumber")
    )
    return (
        f"<CodeRequestAnswer><MessageHeader><MSGID>{told['id']}</MSGID><MSGTypeID>IF_FGU_X0011_S01</MSGTypeID>"
        f"<MSGMode>1</MSGMode><SourceSystemID>P000000001</SourceSystemID><DestinationSystemID>{SYSTEM}"
        f"</DestinationSystemID><ReceptionNumber>{told['reception']}</ReceptionNumber><MSGResult>accepted</MSGResult>"
        f"</MessageHeader>{entries}</CodeRequestAnswer>"
    ).encode()


class StandIn(BaseHTTPRequestHandler):
    """Answers requests for codes as it is told to, and everything else like a proxy that cannot reach anybody."""

    answer: ClassVar[Callable[[bytes], bytes]] = staticmethod(code_answer)

    def do_OPTIONS(self) -> None:
        self.send_response(204)
        self.send_header("Upload-Max-Piece", "8388608")
        self.end_headers()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/if/IF_TKY_X0011_R01":
            self._tell(200, b"<sender/>")
        elif self.path == "/if/IF_FGU_X0011_R01":
            self._tell(200, type(self).answer(body))
        else:
            self._tell(502, b"<html>Bad Gateway</html>", "text/html")

    def do_GET(self) -> None:
        self._tell(502, b"<html>Bad Gateway</html>", "text/html")

    def _tell(self, status: int, body: bytes, kind: str = "application/xml") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, *_said: object) -> None:
        """Be quiet."""


@pytest.fixture
def wrong_gateway(tmp_path: Path) -> Iterator[tuple[int, Authority]]:
    authority = Authority("Clients", now=LONG_AGO)
    (tmp_path / "ca.pem").write_bytes(Card(authority.certificate, authority.key).pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.issue("localhost", days=20_000).written(tmp_path, "host"))
    with ThreadingHTTPServer(("127.0.0.1", 0), StandIn) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server.server_port, authority
        server.shutdown()
        thread.join(10)


#: What is answered to a request for codes, and where and how it is then said to be wrong.
WRONG: Sequence[tuple[Callable[[bytes], bytes], Sequence[tuple[str, str, str]]]] = (
    (lambda body: code_answer(body, result="done"), [("codes", "Result", "does not follow its schema")]),
    (lambda body: code_answer(body, reception="x"), [("codes", "ReceptionNumber", "is not")]),
    (lambda body: code_answer(body, prefix="X"), [("codes", "Entry", "not those of the persons")]),
    (lambda _body: b"<html>Sign in<br></html>", [("codes", "", "cannot be read as XML")]),
    (lambda body: code_answer(body, id=str(uuid4())), [("once", "", "answered in two ways")]),
    (
        code_answer,
        [
            ("once", "", "not refused; expected was connections.key_reused (409)"),
            ("refused-schema", "", "not refused; expected was formats.message_refused (400)"),
            ("inquiry-list", "", "not the documented shape"),
        ],
    ),
)


@pytest.mark.parametrize(("answer", "wrong"), WRONG)
@pytest.mark.usefixtures("english")
def test_an_answer_that_is_not_as_documented_is_named(
    wrong_gateway: tuple[int, Authority],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    answer: Callable[[bytes], bytes],
    wrong: Sequence[tuple[str, str, str]],
) -> None:
    StandIn.answer = staticmethod(answer)
    port, authority = wrong_gateway
    report = report_of(command_at(port, tmp_path, authority.issue("system", days=20_000)), capsys)
    for step, element, what in wrong:
        (finding, *_) = findings(report, step)
        assert finding["side"] == "platform"
        assert element in (finding["element"] or "")
        assert what in finding["what"]
    assert outcomes(report)["codes"] == ("fail" if wrong[0][0] == "codes" else "pass")
