"""Python's own TLS as a server that asks for certificates: POOL OWN_CHAIN OWN_KEY (CHAIN KEY)..."""
import ssl
import sys


def meet(server, client):
    """Both ends of one handshake, in memory; raises what the server says of the client."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_side=False),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(10):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                pass
    if ends[1].getpeercert(True) is None:
        raise ssl.SSLError("the client showed nothing")


def judge(pool, own_chain, own_key, chain, key):
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=pool)
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_cert_chain(own_chain, own_key)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    client.load_cert_chain(chain, key)
    meet(server, client)


pool, own_chain, own_key, *leaves = sys.argv[1:]
for chain, key in zip(leaves[::2], leaves[1::2]):
    try:
        judge(pool, own_chain, own_key, chain, key)
        print("accepted")
    except ssl.SSLError as refused:
        print("refused", refused)
