/** What to do next, by error code. A code whose message already says it has no hint. */
const HINTS: Readonly<Record<string, string>> = {
  ERR_MODULE_NOT_FOUND: 'install Federate again; a part of the installation is missing',
  'store-engine-unusable':
    'install Federate again on the machine that runs it, with its own Node.js; SQLite is built for x64 and arm64 of Linux, macOS and Windows',
  'agent-unreachable':
    'is the agent running, and is --socket (or FEDERATE_SOCKET) its admin_socket? Only its own user may open it',
  'already-federated':
    'see it with "federate show <trust domain>"; a new invitation renews it only if we have held one of its roots for federation.overlap_lead; otherwise run "federate remove" first',
  'not-federated': '"federate list" shows all relationships',
  'services-off': 'add "services: {}" to the config of the agent, and start it again; docs/services.md',
  'service-not-offered': '"federate service offers" shows what the peer offers, and how asking it went',
  'not-imported': '"federate service offers" shows what is imported, and under which name',
  'import-alias-needed': 'give the peer a label with --as, or give --name a whole name',
  'import-name-taken': 'give it another name with --name, or the peer another label with --as',
  'import-name-invalid':
    'choose a host name of lower-case labels with --name, not one of a cluster or a local network',
  'import-sni-taken':
    'ask the owner for another SNI (services.sni_suffix in its config), or drop the other one',
  'own-trust-domain': 'name the peer\'s trust domain; "federate status" shows our own',
  'identity-missing':
    'give the agent an SVID: endpoint.svid with https_spiffe, or "identity" (files, an SDS socket or a Workload API) next to an https_web endpoint; then try again. Without an SVID, federate by pin: "federate add --help"',
  'identity-unusable':
    'use an SVID of a CA whose root the mesh reports, and compare "federate status" with the SVID\'s issuer',
  'invitation-malformed': 'paste the whole line that "federate invite" printed, in quotes',
  'invitation-cut': 'paste the whole line that "federate invite" printed, to its last character',
  'invitation-mistyped': 'copy the line instead of typing it',
  'invitation-version': 'install the version of Federate that the inviter has',
  'invitation-expired': 'ask for a new one; if it is new, compare the clocks',
  'invitation-own': 'pass the line to the agent of the other trust domain',
  'invitation-for-another': 'ask for an invitation without --peer, or with our trust domain',
  'invitation-refused':
    'if you have not used it yourself, tell the inviter at once: another party may have used it. "federate invite list" on their side shows who did; then ask for a new one',
  'invitation-declined': 'correct what the inviter names, then use the same line again, or ask for a new one',
  'invitation-not-open': '"federate invite list" and "federate list" show its state',
  'no-such-invitation': '"federate invite list" shows all invitations',
  'too-many-invitations': 'cancel some with "federate invite cancel ID"',
  'invitation-exchange-failed':
    '"federate invite list" shows whether the agent still tries; if not, try again with the same line. An invitation does not work for an endpoint behind a proxy that ends TLS',
  'inviter-unproved':
    'an attacker may stand between the two agents: ask the inviter for the line again over another channel, and check the network',
  'newcomer-unreachable': 'check that this machine reaches the URL with "curl -k URL"',
  'invitation-address-refused':
    'federation.forbidden_addresses in the config lists what the agent never asks; an invitation never leads to this machine itself or a metadata service',
  'clocks-differ': 'set the clocks right (NTP), then try again with the same line',
  'bootstrap-required':
    'first trust needs a proof: --pin sha256:… or --bundle FILE, which you get from the peer over a channel you trust ("federate status" on their side prints a pin, "spire-server bundle show -format spiffe" the bundle of a SPIRE server), or --web-pki',
  'pin-mismatch':
    'ask the peer for its current pin over a channel you trust ("federate status" on their side); do not copy the pin seen here',
  'endpoint-id-mismatch':
    'compare it with what "federate status" prints on the peer\'s side; if the ID changed, run "federate change <trust domain> --endpoint-id ID"',
  'connect-failed':
    'is its endpoint up, and reachable from here? If it moved, run "federate change <trust domain> --peer URL"',
  'proxy-unreachable': 'is federation.proxy.url in the config right, and does the proxy run?',
  'proxy-refused':
    'let the proxy allow the host and port of the endpoint, or list the host in federation.proxy.no_proxy; with status 407 see federation.proxy.credentials_file',
  'proxy-answer-invalid':
    'federation.proxy.url must name the port of an HTTP proxy that supports CONNECT; SOCKS and https:// proxies are not supported',
  'proxy-credentials-unusable':
    'the file of federation.proxy.credentials_file has one line, "user:password", and mode 0600',
  'response-broken':
    'is that its bundle endpoint? The API port of a SPIRE server, 8081 by default, is not a bundle endpoint; set the right URL with "federate change <trust domain> --peer URL"',
  'status-refused':
    'ask the peer what its endpoint serves at that URL; if it moved, run "federate change <trust domain> --peer URL"',
  'web-certificate-refused':
    'ask the peer about its certificate; --ca-file names private CAs, and "federate change <trust domain> --profile" changes the profile',
  'svid-refused':
    'ask the peer for its current bundle ("spire-server bundle show -format spiffe" on a SPIRE server), and give it to "federate bundle set"; if the endpoint uses Web PKI now, run "federate change <trust domain> --profile https_web"',
  'bootstrap-bundle-invalid':
    'give a SPIFFE bundle document or CA certificates in PEM; "federate bundle show --document" on the peer\'s side prints one, and so does "spire-server bundle show -format spiffe"',
  'bootstrap-bundle-unusable': 'ask the peer for its current bundle',
  'endpoint-bundle-missing':
    'get its current bundle over a channel you trust, then run "federate bundle set <trust domain> FILE"; if one of its keys is distrusted, "federate trust --again" ends that; for a new peer, first federate with the trust domain of its endpoint ID',
  'serving-cycle': 'let one of the trust domains serve its own bundle',
  'bootstrap-fetch-failed':
    'check the URL with "curl -k URL" from this machine; nothing was stored, so you can try again',
  'sequence-rolled-back':
    'ask the peer whether it lost its counter; "federate review <trust domain>" shows the offer and can accept it, on record',
  'own-root-offered': 'tell the peer that its bundle must not contain a root of ours',
  'root-names-another-trust-domain':
    'check --trust-domain; if the root is really meant for that name, "federate add --even-foreign-keys" accepts it, on record',
  'root-of-another-trust-domain':
    'a root may speak for one trust domain only; ask both peers who holds its key; "federate add --even-foreign-keys" accepts it, on record',
  'store-locked':
    'stop that agent first, or give this one a store of its own; while it runs, "federate store backup" and "compact" work by --socket',
  'store-corrupt': 'stop the agent and restore a backup with "federate store restore"',
  'certificate-ends': 'renew it; the agent reads the new file by itself',
  'certificate-not-valid': 'renew it, or compare the clocks; the agent reads the new file by itself',
  'config-unreadable': 'name the config file of the agent, and run the command as a user who may read it',
  'check-too-slow': 'look at the load of this machine and at its network, and try again',
  'backup-exists': 'choose another name, or replace the file with --force',
  'backup-onto-store': 'name a file in another folder',
  'backup-no-room': 'free the disk, or choose another one',
  'backup-failed': 'check the disk, and the limits of this process ("ulimit -f")',
  'backup-not-writable': 'run it as the user of the agent, or choose a folder that this user may write',
  'backup-not-readable': 'run it as a user that may read the file',
  'backup-damaged': 'take an older backup; "federate history verify FILE" names what is wrong',
  'backup-unsound':
    '"federate history verify FILE" names what is wrong; --even-if-unsound restores it anyway',
  'backup-of-another-trust-domain':
    'restore it for the agent of that trust domain; a store always belongs to one trust domain',
  'backup-digest-differs': 'this is another file, or it was changed: compare it with the original',
  'store-newer': 'start the version of Federate that wrote it; stores are never downgraded',
  'store-read-only': 'check owner and mode of the store, its folder and its disk',
  'store-log-foreign':
    'to restore the backup, use "federate store restore FILE", which keeps the present files; if file and log belong together and were moved together, move only .state away (docs/operations.md)',
  'store-replaced':
    'put the files back with "mv"; or stop the agent, restore a backup with "federate store restore" and start it',
  'listen-failed':
    'the address has to be one of this machine ("ip address"), or 0.0.0.0 or [::] for all of them; a port below 1024 needs the right to open it',
  'store-full': 'free some space on the disk of the store; what was acknowledged is safe',
  'store-not-a-store': 'check the path; Federate does not write into other databases',
  'store-missing':
    'check the path of the store; the first start of the agent creates it, and "federate store restore" a backup',
  'own-trust-domain-ambiguous': 'set "trust_domain" in the config to the trust domain of this agent',
  'own-trust-domain-changed':
    'give the mesh its old name back, or set up a new agent with another trust_domain and store',
  'own-trust-domain-missing':
    'is "trust_domain" in the config the one in which the mesh issues identities, and does the mesh issue any?',
  'port-in-use': 'stop the program that listens there ("ss -ltnp" shows it), or choose another port',
  'admin-socket-in-use': 'another agent answers on that socket; stop it, or choose another admin_socket',
  'endpoint-address-missing':
    'set it for this process ("Environment=SPIFFE_ENDPOINT_SOCKET=unix:///…" in a systemd unit), or name the address itself in the config',
  'endpoint-address-invalid': 'SPIRE\'s agent prints its socket_path when it starts; put "unix://" before it',
  'init-exists':
    'choose another folder, or replace the config with --force; a CA that was made for a trial stays',
  'config-invalid': '"federate help config" describes every key',
  'no-authority':
    'the peer publishes no keys for this kind of SVID; "federate bundle show <trust domain>" shows what it does publish',
  'key-unknown':
    'the key may be newer than the bundle held: "federate refresh <trust domain>", then try again',
  'signature-invalid':
    'do not accept it: it was changed in transit, or signed by a party that may not speak for that trust domain',
  'token-not-compact':
    'give the token alone, "header.claims.signature" without "Bearer" or quotes, or a file that holds it',
  'token-expired': 'get a fresh token; if it is fresh, compare the clocks',
  'token-not-yet-valid': 'compare the clocks of this machine and of the issuer',
  'token-issued-in-future': 'compare the clocks of this machine and of the issuer',
  'audience-missing': 'ask the issuer for a token for your audience',
  'audience-mismatch':
    'ask the issuer for a token for your audience; audiences are compared letter by letter',
  'own-ambiguous': 'put "spiffe://" before the name of the trust domain that you mean',
  'own-bundle-unknown': '"federate status" says whether the mesh is connected',
  'all-roots-replaced':
    '"federate review <trust domain>" shows what would change; ask the peer for the digest over another channel',
  'all-jwt-keys-replaced':
    '"federate review <trust domain>" shows what would change; ask the peer for the digest over another channel',
  'sequence-jumped':
    'ask the peer how it numbers its bundles; "federate review <trust domain>" shows the offer and can accept it, on record',
  'policy-asks-always': '"federate review <trust domain>" shows the new keys; accept or reject them there',
  'offer-rejected': 'tell the peer; "federate review <trust domain> --reconsider" takes the rejection back',
  'nothing-waits': '"federate show <trust domain>" shows its state',
  'offer-changed': 'look at what is offered now with "federate review <trust domain>"',
  'offer-not-confirmed':
    'try again when the endpoint answers; "federate show <trust domain>" shows its state',
  'not-rejected': '"federate review <trust domain>" lists what is rejected, with digests',
  'key-distrusted':
    '"federate distrust list" shows since when and why; "federate trust --again" ends the distrust, on record',
  'peer-dropped-us':
    'ask them; until "federate remove <trust domain>" ends the relationship on our side too, their workloads are accepted here',
  'trust-stale':
    '"federate show <trust domain>" says why its polls fail; "federate change <trust domain> --never-stale" or a longer --stale-after ends the limit, on record',
  'peer-stale': '"federate show <trust domain>" says why its polls fail',
  'key-not-found':
    '"federate bundle show <trust domain>" lists its keys; name a key that is not held by all 64 digits of its public key',
  'key-ambiguous': 'give more digits',
  'not-distrusted': '"federate distrust list" shows those that are',
  'last-own-key':
    "rotate your mesh to a new root first, so that there is another; if it must go now, give --even-the-last, and --even-our-own-svid where the agent's own SVID rests on it",
  'own-svid-key':
    'let the mesh sign with another root first, and give the agent an SVID under it ("federate rotation status"); if the key must go now, give --even-our-own-svid',
  'distrusted-key-offered':
    'do not accept it: a peer offers a key under another name that you have distrusted',
  'service-unknown': '"federate service list --own" shows the services of our mesh',
  'service-not-exportable': '"federate service list --own" shows what stands in the way of each service',
  'peer-unknown': '"federate list" shows the relationships there are',
  'no-gateway': 'name the gateway under services.gateways in the config of the agent and restart it',
  'not-exported': '"federate service list" shows what is exported to whom',
  'service-still-exported': '"federate service withdraw" ends its exports first',
  'rule-unknown': '"federate access list" shows the rules there are',
  'declared-in-config':
    'change the section "services" of the config file; the agent reads it again by itself',
  'declared-in-mesh': 'change the configuration of the mesh, such as the exported-services of Consul',
  'no-svid':
    'give the agent one: endpoint.svid with https_spiffe, identity with https_web; "federate status" shows it as "signs as"',
  'signed-bundle-refused':
    'the file was changed in transit, or signed under a root that is not held here: fetch it again, or compare "federate bundle show" on both sides',
  'signed-bundle-expired':
    'ask the peer for a newer one ("federate bundle sign" on their side), or ask the carrier to update its copy',
  'signed-bundle-signer': 'compare --signer with "signs as" of "federate status" on the peer\'s side',
  'no-unrecorded-trust': '"federate adopt" lists the trust in the mesh without a record',
  'mesh-shows-no-keys':
    'get a pin from the peer over a channel you trust ("federate status" on their side), and give it with --pin',
  'no-bundle': '"federate list" shows whose bundles are held; add the trust domain with "federate add"',
};

/**
 * A line that begins with what the reader can do, about this trust domain where one is known;
 * undefined where there is nothing to add.
 */
export function hintFor(code: string | undefined, trustDomain?: string | null): string | undefined {
  const hint = code === undefined ? undefined : HINTS[code];
  return trustDomain == null ? hint : hint?.replaceAll('<trust domain>', trustDomain);
}
