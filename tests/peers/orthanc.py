"""Orthanc, a real archive, started on free ports with a fresh store."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from edge.config import Tls
from tests.peers.waiting import patient

_START_S = 30.0
DICOMWEB = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


@dataclass
class Orthanc:
    """One Orthanc. Use as a context manager."""

    folder: Path
    dicom_port: int
    http_port: int
    title: str = "ORTHANC"
    tls: Tls | None = None
    web: bool = False
    """Whether it speaks DICOMweb, by its plug-in."""
    reports_to: int = 104
    """The port of our node, to which it reports storage commitment."""

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = {
            "Name": "test archive",
            "StorageDirectory": str(self.folder / "db"),
            "IndexDirectory": str(self.folder / "db"),
            "HttpPort": self.http_port,
            "DicomPort": self.dicom_port,
            "DicomAet": self.title,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomAlwaysAllowStore": True,
            "DicomAlwaysAllowEcho": True,
            "DicomAlwaysAllowFind": True,
            "Plugins": [str(DICOMWEB)] if self.web else [],
            "DicomModalities": {
                "calcedge": {
                    "AET": "CALCEDGE",
                    "Host": "127.0.0.1",
                    "Port": self.reports_to,
                    "UseDicomTls": bool(self.tls),
                }
            },
        }
        if self.tls:
            settings |= {
                "DicomTlsEnabled": True, "DicomTlsRemoteCertificateRequired": True,
                "DicomTlsCertificate": str(self.tls.certificate), "DicomTlsPrivateKey": str(self.tls.key),
                "DicomTlsTrustedCertificates": str(self.tls.authorities),
            }  # fmt: skip
        configuration = self.folder / "orthanc.json"
        configuration.write_text(json.dumps(settings), encoding="utf-8")
        program = shutil.which("Orthanc") or "/usr/sbin/Orthanc"
        self._log = (self.folder / "log").open("wb")
        self._process = subprocess.Popen([program, str(configuration)], stdout=self._log, stderr=self._log)
        end_s, pause = time.monotonic() + patient(_START_S), threading.Event()
        while True:
            try:
                self.ask("/system")
            except OSError:
                if time.monotonic() > end_s or self._process.poll() is not None:
                    self.__exit__()
                    raise
                pause.wait(0.05)
            else:
                return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(15)
        self._log.close()

    def ask(self, path: str, body: object = None, method: str | None = None) -> Any:
        """One request to Orthanc's own interface."""
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"http://127.0.0.1:{self.http_port}{path}", data=data, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    def instances(self) -> list[str]:
        """The SOP instance UIDs that the archive holds."""
        found = self.ask("/tools/find", {"Level": "Instance", "Query": {}, "Expand": True})
        return sorted(instance["MainDicomTags"]["SOPInstanceUID"] for instance in found)
