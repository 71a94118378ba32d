"""Certificates for one test: an authority, and what it issues, made by openssl."""

import ssl
import subprocess


def _openssl(*arguments):
    done = subprocess.run(
        ["openssl", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


class Authority:
    """Issues certificates into a folder: NAME.crt and NAME.key, in the order they are asked for."""

    def __init__(self, folder, name="authority"):
        self.folder = folder
        self.crt, self.key = folder / f"{name}.crt", folder / f"{name}.key"
        _openssl("req", "-x509", *_NEW_KEY, "-keyout", self.key, "-out", self.crt, "-days", 30,
                 "-subj", f"/CN={name}")

    def issue(self, name, password=None, begin=None, end=None, subject=None):
        """Returns (certificate, key). Times as in 20200101000000Z; default: now, and for a month. `subject`: as in
        /O=name, else /CN= and the name."""
        crt, key, csr, clear = (
            self.folder / f"{name}.{suffix}" for suffix in ("crt", "key", "csr", "clear")
        )
        extensions = self.folder / "extensions"
        extensions.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        _openssl("req", *_NEW_KEY, "-keyout", clear, "-out", csr, "-subj", subject or f"/CN={name}")
        if password:
            _openssl("pkey", "-in", clear, "-out", key, "-aes128", "-passout", f"pass:{password}")
        else:
            clear.rename(key)
        if begin or end:
            self._issue_between(csr, crt, extensions, begin, end)
        else:
            _openssl("x509", "-req", "-in", csr, "-CA", self.crt, "-CAkey", self.key,
                     "-CAcreateserial", "-days", 30, "-extfile", extensions, "-out", crt)
        return crt, key

    def _issue_between(self, csr, crt, extensions, begin, end):
        """`openssl ca` is the only way to choose both dates."""
        config = self.folder / "ca.cnf"
        (self.folder / "index.txt").write_text("")
        config.write_text(
            "[ca]\ndefault_ca=own\n[own]\npolicy=any\n[any]\ncommonName=supplied\n[own]\n"
            f"database={self.folder}/index.txt\nnew_certs_dir={self.folder}\nrand_serial=yes\n"
            "default_md=sha256\n"
        )
        _openssl("ca", "-batch", "-config", config, "-cert", self.crt, "-keyfile", self.key,
                 "-in", csr, "-out", crt, "-extfile", extensions, "-notext",
                 "-startdate", begin or "20200101000000Z", "-enddate", end or "20400101000000Z")

    def context(self, own=None):
        """For a client that trusts this authority and shows `own`, a pair of files."""
        context = ssl.create_default_context(cafile=str(self.crt))
        if own:
            context.load_cert_chain(*map(str, own))
        return context


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
