"""A real FTP server for the tests: one user, one folder, a free port of the loopback interface, TLS when asked for.

Prints one line of JSON, {"port": …, "ca": PEM or null}, when it listens. The settings come from the environment.
"""

import datetime
import ipaddress
import json
import os
import sys

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer


def self_signed(path):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.utcnow()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    with open(path, "w") as file:
        file.write(pem)
        file.write(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ).decode()
        )
    return pem


authorizer = DummyAuthorizer()
authorizer.add_user(
    os.environ["FTP_USER"], os.environ["FTP_PASSWORD"], os.environ["FTP_ROOT"], perm=os.environ["FTP_PERMISSIONS"]
)
handler, ca = FTPHandler, None
if os.environ.get("FTP_CERTIFICATE"):
    from pyftpdlib.handlers import TLS_DTPHandler, TLS_FTPHandler

    class PatientDTPHandler(TLS_DTPHandler):
        """pyftpdlib 1.5 resets a client that begins the TLS handshake before its command (pyftpdlib#604)."""

        def readable(self):
            return not self._initialized or super().readable()

    ca = self_signed(os.environ["FTP_CERTIFICATE"])
    handler = TLS_FTPHandler
    handler.dtp_handler = PatientDTPHandler
    handler.certfile = os.environ["FTP_CERTIFICATE"]
    handler.tls_control_required = True
    handler.tls_data_required = True
handler.authorizer = authorizer
handler.auth_failed_timeout = 0
server = FTPServer(("127.0.0.1", 0), handler)
print(json.dumps({"port": server.address[1], "ca": ca}), flush=True)
sys.stdout = sys.stderr
server.serve_forever(handle_exit=False)
