"""A real IMAP server (Debian's dovecot) with one mailbox, for as long as a test lasts."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PASSWORD = "mail+password"
PROGRAM = shutil.which("dovecot") or ("/usr/sbin/dovecot" if Path("/usr/sbin/dovecot").exists() else None)

CONFIG = """
base_dir = {base}/run
state_dir = {base}/state
log_path = {base}/log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
default_internal_user = {internal}
default_login_user = {login}
default_internal_group = {group}
mail_location = maildir:{base}/mail
first_valid_uid = 1
mail_uid = {user}
mail_gid = {group_of_user}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={user} gid={group_of_user} home={base}/home
}}
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
  chroot =
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""


@dataclass
class Mailbox:
    """The server's address as the setting has it, and its folders on disk."""

    url: str
    folder: Path

    def deliver(self, raw: bytes, name: str) -> None:
        """Put a mail into the inbox, as a mail server would."""
        for part in ("tmp", "new", "cur"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        path = self.folder / "new" / f"{int(time.time())}.{name}.test"
        path.write_bytes(raw)
        _give(self.folder)

    def count(self, sub: str = "") -> int:
        """How many mails are in the inbox, or in a folder of it."""
        folder = self.folder / f".{sub}" if sub else self.folder
        return sum(len(list((folder / part).glob("*"))) for part in ("new", "cur") if (folder / part).is_dir())


def _give(folder: Path) -> None:
    if os.getuid() == 0:
        subprocess.run(["chown", "-R", "nobody", str(folder)], check=True)


@contextmanager
def dovecot() -> Iterator[Mailbox]:
    """Run the server. It needs nothing of the machine's own configuration."""
    base = Path(tempfile.mkdtemp(prefix="parley-dovecot-"))
    base.chmod(0o755)
    for name in ("mail", "home", "state"):
        (base / name).mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    is_root = os.getuid() == 0
    me = getpass.getuser()
    group = "nogroup" if is_root else str(os.getgid())
    values = {
        "base": base,
        "port": port,
        "password": PASSWORD,
        "user": "nobody" if is_root else me,
        "group_of_user": group,
        "internal": "dovecot" if is_root else me,
        "login": "dovenull" if is_root else me,
        "group": "dovecot" if is_root else me,
    }
    config = base / "dovecot.conf"
    config.write_text(CONFIG.format(**values))
    _give(base / "mail")
    _give(base / "home")
    server = subprocess.Popen([str(PROGRAM), "-F", "-c", str(config)], stderr=subprocess.PIPE)
    try:
        _wait(port, server, base / "log")
        quoted = PASSWORD.replace("+", "%2B")
        yield Mailbox(f"imap://abuse%40localhost:{quoted}@127.0.0.1:{port}/INBOX", base / "mail")
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(10)
        shutil.rmtree(base, ignore_errors=True)


def _wait(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(100):
        if server.poll() is not None:
            break
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as client:
                if client.recv(100).startswith(b"* OK"):
                    return
        except OSError:
            time.sleep(0.1)
    said = log.read_text() if log.exists() else ""
    raise RuntimeError(f"dovecot does not answer: {said[-2000:]}")
