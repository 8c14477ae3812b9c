"""What py-spiffe gets from a workload socket, one line of JSON for each answer.

client.py bundles SOCKET | validate SOCKET AUDIENCE TOKEN | source SOCKET | watch SOCKET
"""

import json
import sys
import threading

from spiffe import TrustDomain, WorkloadApiClient, X509Source


def say(**answer):
    print(json.dumps(answer), flush=True)


def sizes(bundles):
    return {str(bundle.trust_domain): len(bundle.x509_authorities) for bundle in bundles}


def main(verb, socket, *rest):
    path = "unix:" + socket
    if verb == "source":
        with X509Source(socket_path=path, timeout_in_seconds=10) as source:
            peer = source.get_bundle_for_trust_domain(TrustDomain("b.example"))
            say(id=str(source.get_x509_context().default_svid.spiffe_id), peer=len(peer.x509_authorities))
        return
    with WorkloadApiClient(path) as client:
        if verb == "bundles":
            x509 = sizes(client.fetch_x509_bundles().bundles)
            jwt = {str(b.trust_domain): len(b.jwt_authorities) for b in client.fetch_jwt_bundles().bundles}
            say(x509=x509, jwt=jwt)
        elif verb == "validate":
            audience, token = rest
            say(id=str(client.validate_jwt_svid(token, audience=audience).spiffe_id))
        else:
            client.stream_x509_contexts(
                lambda context: say(x509=sizes(context.x509_bundle_set.bundles)),
                lambda error: print(error, file=sys.stderr, flush=True),
                True,
            )
            threading.Event().wait()


try:
    main(*sys.argv[1:])
except Exception as error:  # whatever the library says is the answer
    say(error=str(error))
