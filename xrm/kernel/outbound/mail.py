"""Mail by the SMTP server of the settings (RFC 5321, 6409), on a thread of its own; nothing is kept or tried again."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import unquote, urlsplit

from xrm.errors import Unavailable
from xrm.settings import Settings

SECONDS = 10.0  # in which the server must answer each command
PORTS = {"smtp": 587, "smtps": 465}


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail of plain text to one address."""

    to: str
    subject: str
    text: str


class Mail:
    """Sends letters, when the settings name a server.

    Args:
        settings: The site's: `smtp`, `mail_from`.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def ready(self) -> bool:
        """Whether a server is set, and something may go out."""
        return bool(self._settings.smtp) and self._settings.outgoing

    async def send(self, letter: Letter) -> None:
        """Hand a letter to the server.

        Raises:
            Unavailable: there is none, or it does not take the letter.
        """
        if not self.ready:
            raise Unavailable("No mail can be sent: the setting `smtp` names no server.")
        try:
            await asyncio.to_thread(self._send, self._message(letter))
        except (OSError, smtplib.SMTPException, ValueError) as error:
            raise Unavailable(f"The mail server did not take the mail ({type(error).__name__}).") from error

    def _message(self, letter: Letter) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self._settings.mail_from
        message["To"] = letter.to
        message["Subject"] = letter.subject
        message["Date"] = formatdate(usegmt=True)
        message["Message-ID"] = make_msgid(domain=self._settings.mail_from.rpartition("@")[2].strip("> ") or "xrm")
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday notice answers it
        message.set_content(letter.text)
        return message

    def _send(self, message: EmailMessage) -> None:
        url = urlsplit(self._settings.smtp)
        host, port = url.hostname or "", url.port or PORTS[url.scheme]
        safe = ssl.create_default_context()
        if url.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=SECONDS, context=safe)
        else:
            server = smtplib.SMTP(host, port, timeout=SECONDS)
        with server:
            server.ehlo()
            if url.scheme == "smtp" and server.has_extn("starttls"):
                server.starttls(context=safe)
            if url.username:
                if not isinstance(server.sock, ssl.SSLSocket):
                    raise smtplib.SMTPNotSupportedError("a password is sent over TLS only")
                server.login(unquote(url.username), unquote(url.password or ""))
            server.send_message(message)
