"""Delivery reports (RFC 3464) as a mail server writes them about a mail that it took."""

from __future__ import annotations

from email import message_from_bytes
from email.message import Message
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText


def report(content: bytes, *, sender: str, recipient: str, action: str, status: str, words: str) -> bytes:
    """Return the report that *action* happened to the mail *content* on its way to *recipient*."""
    whole = MIMEMultipart("report")
    whole.set_param("report-type", "delivery-status")
    whole["From"] = "MAILER-DAEMON@mx.example.jp"
    whole["To"] = sender
    whole["Subject"] = f"Delivery Status Notification ({action})"
    whole["Auto-Submitted"] = "auto-replied"
    whole.attach(MIMEText(f"The mail to {recipient}: {action} ({words}).\n"))
    about_mail, about_recipient = Message(), Message()
    about_mail["Reporting-MTA"] = "dns; mx.example.jp"
    about_recipient["Final-Recipient"] = f"rfc822; {recipient}"
    about_recipient["Action"] = action
    about_recipient["Status"] = status
    about_recipient["Diagnostic-Code"] = f"smtp; {words}"
    status_part = Message()
    status_part["Content-Type"] = "message/delivery-status"
    status_part.set_payload([about_mail, about_recipient])
    whole.attach(status_part)
    whole.attach(MIMEMessage(message_from_bytes(content)))
    return whole.as_bytes()
