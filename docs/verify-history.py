#!/usr/bin/env python3
"""Verifies an export of Federate's history with nothing of Federate: python3 and openssl.

  verify-history.py EXPORT.jsonl [ROOTS.pem]

Checks, line by line, that every row is what the chain commits to, that the signed heads stand in the
chain, and that they are signed. With ROOTS.pem (the roots of the agent's trust domain, had by a way
you trust) every certificate that signed a head must lead to one of them at the time it signed.
Exit code 0 when all of it holds. docs/history.md says what that proves.
"""
import base64, hashlib, json, subprocess, sys, tempfile
from datetime import datetime, timezone

problems = []


def b64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def openssl(*words):
    return subprocess.run(["openssl", *words], capture_output=True, text=True)


def write(folder, name, content):
    path = f"{folder}/{name}"
    with open(path, "wb") as file:
        file.write(content)
    return path


def pem(x5c):
    lines = "\n".join(x5c[i : i + 64] for i in range(0, len(x5c), 64))
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n".encode()


def der_signature(raw):
    """An ECDSA signature as JWS has it (r and s side by side), as openssl wants it."""
    def integer(part):
        part = part.lstrip(b"\0") or b"\0"
        part = (b"\0" if part[0] >= 128 else b"") + part
        return b"\x02" + bytes([len(part)]) + part
    body = integer(raw[: len(raw) // 2]) + integer(raw[len(raw) // 2 :])
    return b"\x30" + (bytes([len(body)]) if len(body) < 128 else b"\x81" + bytes([len(body)])) + body


def signed_by(statement, roots):
    """What the statement says, if its signature holds; raises ValueError if not."""
    header64, claims64, signature64 = statement.split(".")
    header, claims = json.loads(b64url(header64)), json.loads(b64url(claims64))
    if header["typ"] != "federate-head+jws" or claims["aud"] != "federate-history":
        raise ValueError("it is a statement about something else")
    with tempfile.TemporaryDirectory() as folder:
        leaf = write(folder, "leaf.pem", pem(header["x5c"][0]))
        chain = write(folder, "chain.pem", b"".join(pem(each) for each in header["x5c"][1:]))
        key = write(folder, "key.pem", openssl("x509", "-in", leaf, "-noout", "-pubkey").stdout.encode())
        raw = b64url(signature64)
        padding = []
        if header["alg"] == "PS256":
            padding = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"]
        else:
            raw = der_signature(raw)
        digest = {"ES256": "-sha256", "ES384": "-sha384", "ES512": "-sha512", "PS256": "-sha256"}[header["alg"]]
        signature = write(folder, "signature", raw)
        signed = write(folder, "signed", f"{header64}.{claims64}".encode())
        if openssl("dgst", digest, "-verify", key, *padding, "-signature", signature, signed).returncode != 0:
            raise ValueError("its signature does not hold")
        names = openssl("x509", "-in", leaf, "-noout", "-ext", "subjectAltName").stdout
        if f"URI:{claims['iss']}\n" not in names + "\n":
            raise ValueError("the certificate does not name the signer")
        if roots:
            untrusted = ["-untrusted", chain] if len(header["x5c"]) > 1 else []
            verified = openssl(
                "verify", "-partial_chain", "-attime", str(claims["iat"]), "-CAfile", roots, *untrusted, leaf
            )
            if verified.returncode != 0:
                raise ValueError("the certificate does not lead to the given roots: " + verified.stderr.strip())
    return claims


def verify(path, roots):
    previous, hashes, heads, end, begun = "0" * 64, [], [], None, False
    with open(path, encoding="utf-8", newline="\n") as file:
        for number, text in enumerate(file, 1):
            try:
                line = json.loads(text)
            except ValueError:
                problems.append(f"line {number} is not JSON")
                continue
            if "federate_history" in line:
                begun = line["federate_history"] == 1
            elif "head" in line:
                heads.append(line["head"])
            elif "end" in line:
                end = line["end"]
            elif "link" in line:
                link = len(hashes) + 1
                names = line["names"]
                if line["link"] != link:
                    problems.append(f"link {link} is missing or out of its place")
                elif line["row"] is None:
                    problems.append(f"{names} is gone, link {link} commits to it")
                else:
                    row = json.loads(line["row"])
                    if f"{row['table']} {row['id']}" != names:
                        problems.append(f"line {number} calls its row {names}")
                    said = f"federate-chain-1\n{link}\n{previous}\n{line['row']}"
                    if hashlib.sha256(said.encode("utf-8")).hexdigest() != line["hash"]:
                        problems.append(f"{names} is not what link {link} commits to")
                previous = line["hash"]
                hashes.append(previous)
            else:
                problems.append(f"line {number} is none of an export")
    if not begun:
        problems.append("the export does not begin as one")
    if end is None or end["links"] != len(hashes) or end["hash"] != (hashes[-1] if hashes else None):
        problems.append("the export was cut off")
    newest = None
    for head in heads:
        where = f"the head for link {head['number']}"
        if not 0 < head["number"] <= len(hashes) or hashes[head["number"] - 1] != head["hash"]:
            problems.append(f"{where} is not in the chain: it was cut off or rewritten")
            continue
        if head["statement"] is None:
            continue
        try:
            claims = signed_by(head["statement"], roots)
        except (ValueError, KeyError) as error:
            problems.append(f"{where}: {error}")
            continue
        if (claims["number"], claims["hash"], claims["chain"]) != (head["number"], head["hash"], hashes[0]):
            problems.append(f"{where} is signed as something else")
        elif newest is None or claims["number"] > newest["number"]:
            newest = claims
    return len(hashes), newest


if len(sys.argv) not in (2, 3):
    sys.exit(__doc__)
links, newest = verify(sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else None)
for problem in problems:
    print("NOT SOUND:", problem)
if newest is None:
    print(f"{links} links; no head is signed, so they prove only that they fit each other")
else:
    when = datetime.fromtimestamp(newest["iat"], timezone.utc).isoformat()
    print(f"{links} links; signed up to link {newest['number']} by {newest['iss']} at {when}")
sys.exit(1 if problems else 0)
