"""Release files: the smallest wheels that pip will install."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import zipfile

# The earliest date that zip allows; a fixed one makes the wheel the same every time.
_DATE = (1980, 1, 1, 0, 0, 0)


def normalized(name: str) -> str:
    """Return a project's name as its pages have it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def metadata(name: str, version: str) -> bytes:
    """Return the METADATA file of a release, which is also its `.metadata` (PEP 658)."""
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: A package of the lab\n".encode()


def filename(name: str, version: str) -> str:
    """Return the wheel's file name."""
    return f"{_module(name)}-{version}-py3-none-any.whl"


def wheel(name: str, version: str) -> bytes:
    """Return a pure Python wheel; its one module has only `__version__`.

    Source: https://packaging.python.org/en/latest/specifications/binary-distribution-format/
    """
    module = _module(name)
    info = f"{module}-{version}.dist-info"
    files = {
        f"{module}.py": f'__version__ = "{version}"\n'.encode(),
        f"{info}/METADATA": metadata(name, version),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: lab\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},sha256={_digest(content)},{len(content)}\n" for path, content in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        for path, content in files.items():
            zipped.writestr(zipfile.ZipInfo(path, _DATE), content)
    return archive.getvalue()


def _module(name: str) -> str:
    return normalized(name).replace("-", "_")


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
