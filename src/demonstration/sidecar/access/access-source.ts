/** One request to the workload. */
export interface JudgedRequest {
  /** The proved caller. */
  readonly caller: string;
  readonly method: string;
  /** As on the wire, without the query. */
  readonly path: string;
  /** Names in lower case; several values of one name joined by a comma. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** The port at which the workload listens. */
  readonly port: number;
}

/** Why a request does not pass; the name of the rule is for the log, not for the caller. */
export type RequestVerdict =
  | { readonly allowed: true }
  | {
      readonly allowed: false;
      readonly code: 'access-denied' | 'path-ambiguous' | 'mesh-silent';
      readonly rule?: string | undefined;
    };

/** Rules about requests to the workload that change while the sidecar runs. */
export interface AccessSource {
  /** `mesh-silent` until the rules have come: then nobody is let in. */
  judge(request: JudgedRequest): RequestVerdict;
}

/** Lets in what every one of these lets in; without one nobody. */
export function allOf(sources: readonly AccessSource[]): AccessSource {
  return {
    judge: (request) => {
      if (sources.length === 0) return { allowed: false, code: 'access-denied' };
      const verdicts = sources.map((source) => source.judge(request));
      return verdicts.find(({ allowed }) => !allowed) ?? { allowed: true };
    },
  };
}
