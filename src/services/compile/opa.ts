import { defined } from '../../objects/index.ts';
import { AMBIGUOUS_PATH } from '../access/canonical-path.ts';
import { callerText } from '../access/caller.ts';
import type { AccessPolicy, AccessRule } from '../access/rule.ts';
import { type Compile, serverFirstWarnings } from './compilation.ts';

/**
 * For OPA behind Envoy's ext_authz: the policy as data, and the fixed rules that read it
 * (`data.federate.allow`). The service and the port come from `context_extensions` of the filter.
 */
export const compileForOpa: Compile = (policy) => ({
  objects: [
    { path: '.manifest', content: { roots: ['federate'] } },
    { path: 'federate/data.json', content: opaData([policy]) },
    { path: 'federate/authz.rego', content: AUTHZ_REGO },
  ],
  refused: [],
  warnings: serverFirstWarnings(policy),
});

/** All policies as the one data document `data.federate`, of which the rules read one service. */
export function opaData(policies: readonly AccessPolicy[]): object {
  return { services: Object.fromEntries(policies.map((policy) => [policy.service.id, dataOf(policy)])) };
}

function dataOf({ service, rules }: AccessPolicy): object {
  return { ports: service.ports.map(({ name }) => name), rules: rules.map(ruleOf) };
}

function ruleOf({ id, effect, callers, ports, http }: AccessRule): object {
  return {
    id,
    effect,
    identities: callers.flatMap((caller) => (caller.kind === 'identity' ? [callerText(caller)] : [])),
    prefixes: callers.flatMap((caller) =>
      caller.kind === 'trust-domain' ? [`spiffe://${caller.trustDomain}/`] : [],
    ),
    ...defined({ ports, methods: http?.methods, paths: http?.paths, headers: http?.headers }),
  };
}

/** The whole of the decision. It never changes with a policy. */
const AUTHZ_REGO = `package federate

import rego.v1

default allow := false

extensions := object.get(input.attributes, "contextExtensions", object.get(input.attributes, "context_extensions", {}))

service := data.federate.services[extensions.service]

http := input.attributes.request.http

path := split(http.path, "?")[0]

ambiguous if regex.match(${JSON.stringify(`^${AMBIGUOUS_PATH}$`)}, path)

allow if {
	extensions.port in service.ports
	some rule in service.rules
	rule.effect == "allow"
	about(rule)
	meets(rule)
	not denied
}

denied if {
	some rule in service.rules
	rule.effect == "deny"
	about(rule)
	meets(rule)
}

about(rule) if {
	caller(rule)
	port(rule)
}

caller(rule) if input.attributes.source.principal in rule.identities

caller(rule) if {
	some prefix in rule.prefixes
	startswith(input.attributes.source.principal, prefix)
}

port(rule) if not rule.ports

port(rule) if extensions.port in rule.ports

meets(rule) if {
	method(rule)
	headers(rule)
	paths(rule)
}

method(rule) if not rule.methods

method(rule) if http.method in rule.methods

headers(rule) if not rule.headers

headers(rule) if {
	every header in rule.headers {
		header_matches(header)
	}
}

header_matches(header) if http.headers[header.name] == header.value

header_matches(header) if {
	not header.value
	is_string(http.headers[header.name])
}

paths(rule) if not rule.paths

paths(rule) if {
	rule.effect == "deny"
	ambiguous
}

paths(rule) if {
	not ambiguous
	some match in rule.paths
	path_matches(match)
}

path_matches(match) if path == match.path

path_matches(match) if {
	match.kind == "prefix"
	startswith(path, concat("", [match.path, "/"]))
}
`;
